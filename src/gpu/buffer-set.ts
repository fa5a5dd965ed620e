import type { Gpu } from './gpu.ts';

/** Buffers that live and die together. All can be written to by the host. */
export class BufferSet {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** A buffer for kernels, whose contents can be copied elsewhere. */
  storage(label: string, bytes: number): GPUBuffer {
    return this.create(label, bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  }

  create(label: string, bytes: number, usage: number): GPUBuffer {
    const buffer = this.#gpu.createBuffer(label, bytes, usage | GPUBufferUsage.COPY_DST);
    this.#buffers.push(buffer);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#buffers.splice(0)) this.#gpu.destroyBuffer(buffer);
  }
}
