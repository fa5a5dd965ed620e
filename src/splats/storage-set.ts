import type { Gpu } from '../gpu/gpu.ts';

/** Storage buffers that are made and destroyed together. */
export class StorageSet<Name extends string> {
  readonly buffers: Readonly<Record<Name, GPUBuffer>>;
  readonly #gpu: Gpu;

  /** `words` of each. Throws `gpu-limit-exceeded` and `gpu-out-of-memory`; then none is left. */
  static make<Name extends string>(
    gpu: Gpu,
    label: string,
    words: Readonly<Record<Name, number>>,
  ): Promise<StorageSet<Name>> {
    return gpu.withMemoryCheck(() => new StorageSet(gpu, label, words));
  }

  private constructor(gpu: Gpu, label: string, words: Readonly<Record<Name, number>>) {
    this.#gpu = gpu;
    const buffers = {} as Record<Name, GPUBuffer>;
    this.buffers = buffers;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    try {
      for (const name of Object.keys(words) as Name[]) {
        buffers[name] = gpu.createBuffer(`${label} ${name}`, words[name] * 4, usage);
      }
    } catch (thrown) {
      this.dispose();
      throw thrown;
    }
  }

  dispose(): void {
    for (const buffer of Object.values<GPUBuffer>(this.buffers)) this.#gpu.destroyBuffer(buffer);
  }
}
