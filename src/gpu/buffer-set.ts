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

  /** A uniform with these contents. */
  uniform(label: string, contents: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = this.create(label, contents.byteLength, GPUBufferUsage.UNIFORM);
    this.#gpu.write(buffer, 0, contents);
    return buffer;
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
