import type { Gpu } from '../gpu/gpu.ts';

/** Times the passes of a frame on the GPU by timestamp queries. */
export class StageClock {
  readonly #gpu: Gpu;
  readonly #names: readonly string[];
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;

  /** Null where the GPU cannot tell the time. */
  static create(gpu: Gpu, names: readonly string[]): StageClock | null {
    return gpu.capabilities.timestamps ? new StageClock(gpu, names) : null;
  }

  private constructor(gpu: Gpu, names: readonly string[]) {
    this.#gpu = gpu;
    this.#names = names;
    const bytes = names.length * 16;
    this.#queries = gpu.device.createQuerySet({ type: 'timestamp', count: names.length * 2 });
    this.#resolved = gpu.createBuffer(
      'timestamps',
      bytes,
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    );
    this.#staging = gpu.createBuffer(
      'timestamps read',
      bytes,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
  }

  stage(name: string): GPUComputePassTimestampWrites {
    const at = this.#names.indexOf(name) * 2;
    return {
      querySet: this.#queries,
      beginningOfPassWriteIndex: at,
      endOfPassWriteIndex: at + 1,
    };
  }

  resolve(encoder: GPUCommandEncoder): void {
    const count = this.#names.length * 2;
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, count * 8);
  }

  /** Milliseconds of each stage of the frame that was submitted last, and from the first to the last as `frame`. */
  async read(): Promise<Record<string, number>> {
    const bytes = this.#names.length * 16;
    const times = new BigUint64Array(await this.#gpu.readStaging(this.#staging, bytes));
    const ms = (from: number, to: number): number =>
      Number((times[to] as bigint) - (times[from] as bigint)) / 1e6;
    const stages = this.#names.map((name, i) => [name, ms(i * 2, i * 2 + 1)] as const);
    return { ...Object.fromEntries(stages), frame: ms(0, this.#names.length * 2 - 1) };
  }

  dispose(): void {
    this.#queries.destroy();
    this.#gpu.destroyBuffer(this.#resolved);
    this.#gpu.destroyBuffer(this.#staging);
  }
}
