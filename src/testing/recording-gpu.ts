import type { Capabilities } from '../gpu/capabilities.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import type { BoundBuffers, Kernel, KernelVariant } from '../gpu/kernel.ts';
import { compileDispatch } from '../gpu/kernel-code.ts';

/** Stands in for a GPU of any tier, also of those that no machine at hand has: it keeps the names of what is submitted, and runs nothing. */
export class RecordingGpu {
  readonly capabilities: Capabilities;
  readonly maxStorageBytes: number;
  /** Kernels in the order of their dispatches. */
  readonly submitted: string[] = [];
  /** What is bound for them. */
  bindings = 0;

  constructor(capabilities: Capabilities) {
    this.capabilities = capabilities;
    this.maxStorageBytes = capabilities.maxBindingBytes;
  }

  get gpu(): Gpu {
    return this as unknown as Gpu;
  }

  createBuffer(label: string, size: number): object {
    return { label, size };
  }

  async withMemoryCheck<T>(allocate: () => T): Promise<T> {
    return allocate();
  }

  write(): void {}

  async pipeline(): Promise<object> {
    return {};
  }

  prepare<Use>(
    kernel: Kernel<Use>,
    use: Use,
    buffers: BoundBuffers,
    variant: KernelVariant<Use>,
  ): Promise<Dispatch> {
    return compileDispatch(this.gpu, kernel, use, buffers, variant);
  }

  createBindGroup(_label: string, _pipeline: unknown, entries: readonly unknown[]): object {
    return { bindings: entries.length };
  }

  submit(dispatches: readonly Dispatch[], rows: number): void {
    this.submitAll([dispatches], rows);
  }

  submitAll(lists: readonly (readonly Dispatch[])[], rows: number): void {
    const recorded = lists.flat().filter((dispatch) => dispatch.workgroups(rows)[0] > 0);
    for (const { bindGroup } of recorded) {
      this.bindings += (bindGroup as unknown as { bindings: number }).bindings;
    }
    this.submitted.push(...recorded.map(({ label }) => label.replace(/\/.*/, '')));
  }
}
