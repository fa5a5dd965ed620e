import type { KernelProfile } from '../types.ts';
import type { Dispatch } from './gpu.ts';

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

/**
 * GPU time by kernel, from timestamp queries. Each dispatch is also an entry of the track "GPU kernels" in the browser's performance
 * panel. The clock of browsers is coarse (0.1 ms) unless they are started with developer features.
 */
export class Profiler {
  readonly #device: GPUDevice;
  readonly #kernels = new Map<string, KernelProfile>();
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

  begin(dispatches: readonly Dispatch[]): SubmitTiming {
    const timed = dispatches.slice(0, maxTimed);
    const count = 2 * timed.length;
    const size = count * timeBytes;
    const querySet = this.#device.createQuerySet({ type: 'timestamp', count });
    const resolved = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = this.#device.createBuffer({
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    return {
      pass: (index) =>
        index < timed.length
          ? {
              timestampWrites: {
                querySet,
                beginningOfPassWriteIndex: 2 * index,
                endOfPassWriteIndex: 2 * index + 1,
              },
            }
          : undefined,
      resolve(encoder) {
        encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      },
      read: () => {
        const reading = this.#read(staging, timed, performance.now())
          // A lost device has no times to tell.
          .catch(() => undefined)
          .finally(() => {
            for (const resource of [querySet, resolved, staging]) resource.destroy();
          });
        this.#pending.push(reading);
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
    for (const { kernel } of kernels) performance.clearMeasures(kernel);
    return kernels;
  }

  async #read(
    staging: GPUBuffer,
    dispatches: readonly Dispatch[],
    submittedAt: number,
  ): Promise<void> {
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigInt64Array(staging.getMappedRange());
    dispatches.forEach(({ label, boundBytes }, index) => {
      const [start, end] = [milliseconds(times, 2 * index), milliseconds(times, 2 * index + 1)];
      this.#clockOffset ??= submittedAt - start;
      this.#add(label, boundBytes, Math.max(0, end - start));
      this.#trace(label, start + this.#clockOffset, end + this.#clockOffset);
    });
  }

  #add(kernel: string, boundBytes: number, ms: number): void {
    const sum = this.#kernels.get(kernel) ?? { kernel, dispatches: 0, totalMs: 0, boundBytes: 0 };
    sum.dispatches += 1;
    sum.totalMs += ms;
    sum.boundBytes += boundBytes;
    this.#kernels.set(kernel, sum);
  }

  #trace(label: string, start: number, end: number): void {
    // A coarse or restarted clock can put the end before the start, and all before the page.
    if (start < 0 || end < start) return;
    const devtools = { dataType: 'track-entry', track: 'GPU kernels', trackGroup: 'Vitrail' };
    performance.measure(label, { start, end, detail: { devtools } });
  }
}

/** The GPU counts nanoseconds. */
function milliseconds(times: BigInt64Array, index: number): number {
  return Number(times[index] ?? 0n) / 1e6;
}
