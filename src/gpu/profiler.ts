import type { KernelProfile } from '../types.ts';
import type { EncodableDispatch } from './gpu.ts';

/** Times the dispatches of one submit: a pass for each, which writes the GPU's clock before and after. */
export interface SubmitTiming {
  pass(index: number): GPUComputePassDescriptor | undefined;
  resolve(encoder: GPUCommandEncoder): void;
  /** Call after the submit. */
  read(): void;
}

/** Dispatches of a submit beyond this run untimed: a query set holds at most 4,096 times. */
const maxTimed = 2048;
const timeBytes = 8;

interface QuerySlot {
  queries: GPUQuerySet;
  resolved: GPUBuffer;
  staging: GPUBuffer;
  capacity: number;
}

/**
 * GPU time by kernel, from timestamp queries. Each dispatch is also an entry of the track "GPU kernels" in the browser's performance
 * panel. The clock of browsers is coarse (0.1 ms) unless they are started with developer features.
 */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #kernels = new Map<string, KernelProfile>();
  readonly #measures = new Set<string>();
  #free: QuerySlot[] = [];
  #pending: Promise<void>[] = [];
  /** Milliseconds of the page's clock less those of the GPU's: set by the first submit. */
  #clockOffset: number | null = null;

  /** Null where the device has no timestamp queries. */
  static create(device: GPUDevice): Profiler | null {
    return device.features.has('timestamp-query') ? new Profiler(device) : null;
  }

  private constructor(device: GPUDevice) {
    this.#device = device;
  }

  begin(dispatches: readonly EncodableDispatch[]): SubmitTiming {
    const count = Math.min(dispatches.length, maxTimed);
    const { queries, resolved, staging, ...slot } = this.#slot(count);
    return {
      pass(index) {
        const timestampWrites = {
          querySet: queries,
          beginningOfPassWriteIndex: 2 * index,
          endOfPassWriteIndex: 2 * index + 1,
        };
        return index < count ? { timestampWrites } : undefined;
      },
      resolve(encoder) {
        encoder.resolveQuerySet(queries, 0, 2 * count, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, staging, 0, 2 * count * timeBytes);
      },
      read: () => {
        const submittedAt = performance.now();
        const reading = this.#read(staging, dispatches.slice(0, count), submittedAt);
        const done = reading.then(
          () => void this.#free.push({ queries, resolved, staging, ...slot }),
          // A lost device has no times to tell.
          () => undefined,
        );
        this.#pending.push(done);
      },
    };
  }

  /** What was timed since the last call, the longest total first. */
  async report(): Promise<KernelProfile[]> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
    const kernels = [...this.#kernels.values()].sort((a, b) => b.totalMs - a.totalMs);
    this.#kernels.clear();
    // The performance panel has them already; the page's own list would grow without end.
    for (const name of this.#measures) performance.clearMeasures(name);
    this.#measures.clear();
    return kernels;
  }

  async #read(
    staging: GPUBuffer,
    dispatches: readonly EncodableDispatch[],
    submittedAt: number,
  ): Promise<void> {
    const bytes = 2 * dispatches.length * timeBytes;
    await staging.mapAsync(GPUMapMode.READ, 0, bytes);
    const times = new BigInt64Array(staging.getMappedRange(0, bytes).slice(0));
    staging.unmap();
    dispatches.forEach(({ label = 'unnamed', boundBytes = 0 }, index) => {
      const [start, end] = [milliseconds(times, 2 * index), milliseconds(times, 2 * index + 1)];
      this.#clockOffset ??= submittedAt - start;
      this.#add(label, boundBytes, Math.max(0, end - start));
      this.#trace(label, start + this.#clockOffset, end + this.#clockOffset);
    });
  }

  #add(kernel: string, boundBytes: number, ms: number): void {
    const known = this.#kernels.get(kernel);
    this.#kernels.set(kernel, {
      kernel,
      dispatches: (known?.dispatches ?? 0) + 1,
      totalMs: (known?.totalMs ?? 0) + ms,
      boundBytes: (known?.boundBytes ?? 0) + boundBytes,
    });
  }

  #trace(label: string, start: number, end: number): void {
    // A coarse or restarted clock can put the end before the start, and all before the page.
    if (start < 0 || end < start) return;
    this.#measures.add(label);
    const devtools = { dataType: 'track-entry', track: 'GPU kernels', trackGroup: 'Vitrail' };
    performance.measure(label, { start, end, detail: { devtools } });
  }

  #slot(count: number): QuerySlot {
    const found = this.#free.findIndex(({ capacity }) => capacity >= count);
    const [slot] = found === -1 ? [] : this.#free.splice(found, 1);
    if (slot) return slot;
    const size = 2 * count * timeBytes;
    return {
      capacity: count,
      queries: this.#device.createQuerySet({ type: 'timestamp', count: 2 * count }),
      resolved: this.#device.createBuffer({
        label: 'profiler times',
        size,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      }),
      staging: this.#device.createBuffer({
        label: 'profiler readback',
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      }),
    };
  }
}

/** The GPU counts nanoseconds. */
function milliseconds(times: BigInt64Array, index: number): number {
  return Number(times[index] ?? 0n) / 1e6;
}
