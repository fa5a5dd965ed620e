import type { Capabilities } from './capabilities.ts';
import type { BufferRange, Dispatch, Gpu } from './gpu.ts';
import type { ShaderLibrary, ShaderOptions } from './wgsl-linker.ts';

/** A binding of a use of a kernel. */
export interface Binding {
  name: string;
  /** WGSL type of the buffer: `array<vec4<f32>>`. */
  type: string;
  access: 'read' | 'read_write' | 'uniform';
}

/** A binding of a kernel. `of` says what is otherwise for a use, `when` leaves it out of uses that have no need of it. */
export interface KernelBinding<Use> extends Binding {
  of?: (use: Use) => Partial<Binding>;
  when?: (use: Use) => boolean;
}

/** One way to run a kernel: a set of code options and the dispatch that goes with it. */
export interface KernelVariant<Use> {
  name: string;
  /** Null where it runs, else the reason why not. */
  unsupported(use: Use, capabilities: Capabilities): string | null;
  options(use: Use): ShaderOptions;
  /** Workgroups for `rows` rows (tokens) of input. */
  workgroups(use: Use, rows: number): readonly [number, number, number];
  /**
   * `params` is a uniform instead of a constant, so that uses that differ in sizes alone share a pipeline: where compiling them costs
   * more than reading it. See `shared-params.ts`.
   */
  sharedPipeline?: boolean;
}

/**
 * A kernel: one WGSL module and what binds it. `Use` says what one use of it needs: sizes, formats, switches.
 * `params` and all binding numbers are generated from this, so they cannot disagree.
 */
export interface Kernel<Use> {
  name: string;
  /** The modules that the shader and its imports come from. */
  library: ShaderLibrary;
  /** Path of the module in `shaders/`, without the ending. */
  shader: string;
  /** Fields of the constant `params` and their values for a use. */
  params: Readonly<Record<string, 'u32' | 'f32'>>;
  paramValues(use: Use): Readonly<Record<string, number>>;
  bindings: readonly KernelBinding<Use>[];
  variants: readonly KernelVariant<Use>[];
  /** Names of variants, best first, for this use on this adapter. Pure. */
  preferred(use: Use, capabilities: Capabilities): readonly string[];
}

/** Buffers for a kernel's bindings, by their names; those that a use has no need of may be null. */
export type BoundBuffers = Readonly<Record<string, BufferRange | GPUBuffer | null>>;

export function defineKernel<Use>(kernel: Kernel<Use>): Kernel<Use> {
  return kernel;
}

/** The variant that runs: the first preferred one that the adapter supports. */
export function chooseVariant<Use>(
  kernel: Kernel<Use>,
  use: Use,
  capabilities: Capabilities,
): KernelVariant<Use> {
  const variant = findVariant(kernel, use, capabilities);
  if (variant) return variant;
  const names = kernel.preferred(use, capabilities).join(', ');
  throw new Error(`${kernel.name}: no variant of ${names} runs on this adapter`);
}

/** The same, or null where none runs. */
export function findVariant<Use>(
  kernel: Kernel<Use>,
  use: Use,
  capabilities: Capabilities,
): KernelVariant<Use> | null {
  for (const name of kernel.preferred(use, capabilities)) {
    const variant = kernel.variants.find((candidate) => candidate.name === name);
    if (variant && variant.unsupported(use, capabilities) === null) return variant;
  }
  return null;
}

/** Compiles the chosen variant for a use and binds its buffers. Recording it creates nothing. */
export async function prepareDispatch<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  use: Use,
  buffers: BoundBuffers,
  variant: KernelVariant<Use> = chooseVariant(kernel, use, gpu.capabilities),
): Promise<Dispatch> {
  return gpu.prepare(kernel, use, buffers, variant);
}

/** Workgroup counts beyond the limit of one dimension spill into the second; kernels undo it by `linear_workgroup`. */
export function spread(workgroups: number, z = 1): readonly [number, number, number] {
  const limit = 65_535;
  if (workgroups <= limit) return [workgroups, 1, z];
  const y = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / y), y, z];
}
