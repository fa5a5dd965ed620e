import type { Gpu } from '../gpu/gpu.ts';

/** Learns how many pairs of splat and tile pictures need, some frames late: no frame waits for it. */
export class PairCount {
  /** Of the last picture that was counted. */
  needed = 0;
  readonly #gpu: Gpu;
  readonly #total: GPUBuffer;
  readonly #staging: GPUBuffer;
  #recorded = false;
  #reading: Promise<void> | null = null;

  /** `total` [1] is where the GPU counts. */
  constructor(gpu: Gpu, total: GPUBuffer) {
    this.#gpu = gpu;
    this.#total = total;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.#staging = gpu.createBuffer('tiles needed', 16, usage);
  }

  /** Into the frame that is counted next; none is while another one's count is on its way. */
  record(encoder: GPUCommandEncoder): void {
    this.#recorded = this.#reading === null;
    if (this.#recorded) encoder.copyBufferToBuffer(this.#total, 0, this.#staging, 0, 4);
  }

  /** After the submit of what `record` went into. */
  read(): void {
    if (this.#recorded) this.#reading = this.#read();
    this.#recorded = false;
  }

  /** Resolves when no count is on its way. */
  async settled(): Promise<void> {
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const [needed = 0] = new Uint32Array(await this.#gpu.readStaging(this.#staging, 4));
      this.needed = needed;
      this.#reading = null;
    } catch {
      // The device or this count is gone, and nobody asks any more.
    }
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#staging);
  }
}
