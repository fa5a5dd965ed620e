import type { Capabilities } from './capabilities.ts';
import type { BufferRange, Dispatch, Gpu } from './gpu.ts';
import { linkShader, type ShaderLibrary, type ShaderOptions } from './wgsl-linker.ts';

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

/** The WGSL that the GPU gets. */
export function kernelCode<Use>(
  kernel: Kernel<Use>,
  use: Use,
  variant: KernelVariant<Use>,
): string {
  return linkShader(
    kernel.library,
    kernel.shader,
    variant.options(use),
    [paramsOf(kernel, use, variant), ...bindingDeclarations(kernel, use, variant)].join('\n'),
  );
}

/** `matvec/subgroup.q4_0[ROWS=4]`: what profilers, snapshots and errors call it. */
export function kernelLabel<Use>(
  kernel: Kernel<Use>,
  use: Use,
  variant: KernelVariant<Use>,
): string {
  const { choices = {}, flags = [], constants = {} } = variant.options(use);
  const words = [variant.name, ...Object.values(choices), ...flags];
  const numbers = Object.entries(constants).map(([name, value]) => `${name}=${value}`);
  return `${kernel.name}/${[...new Set(words)].join('.')}${numbers.length > 0 ? `[${numbers.join(',')}]` : ''}`;
}

/** Bindings are numbered in the order of the kernel, those not in use left out. */
function bindingDeclarations<Use>(
  kernel: Kernel<Use>,
  use: Use,
  variant: KernelVariant<Use>,
): string[] {
  return boundBy(kernel, use, variant).map(({ name, type, access }, index) => {
    const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
    return `@group(0) @binding(${index}) var<${space}> ${name}: ${type};`;
  });
}

function boundBy<Use>(
  kernel: Kernel<Use>,
  use: Use,
  { sharedPipeline }: KernelVariant<Use>,
): Binding[] {
  const inUse = bindingsOf(kernel, use);
  return sharedPipeline ? [...inUse, { name: 'params', type: 'Params', access: 'uniform' }] : inUse;
}

/** The bindings of a use, in order. */
export function bindingsOf<Use>(kernel: Kernel<Use>, use: Use): Binding[] {
  return kernel.bindings
    .filter(({ when }) => when?.(use) ?? true)
    .map(({ of, ...binding }) => ({ ...binding, ...of?.(use) }));
}

/**
 * `params`, a constant: sizes are known when a kernel is compiled, so loops have constant trip counts, indices fold, and no
 * invocation waits for a uniform. Of a shared pipeline it is one.
 */
function paramsOf<Use>(
  kernel: Kernel<Use>,
  use: Use,
  { sharedPipeline }: KernelVariant<Use>,
): string {
  const fields = Object.entries(kernel.params);
  if (fields.length === 0) return '';
  const values = kernel.paramValues(use);
  const literals = fields.map(([name, type]) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${kernel.name}: parameter '${name}' has no value`);
    return type === 'u32' ? `${value}u` : `${Math.fround(value)}f`;
  });
  const declared = fields.map(([name, type]) => `  ${name}: ${type},`).join('\n');
  const struct = `struct Params {\n${declared}\n}`;
  return sharedPipeline ? struct : `${struct}\nconst params = Params(${literals.join(', ')});`;
}

/**
 * Compiles the chosen variant for a use and binds its buffers, which are named as the kernel's bindings; those that the use has no
 * need of may be null. Recording it creates nothing.
 */
export async function prepareDispatch<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  use: Use,
  buffers: Readonly<Record<string, BufferRange | GPUBuffer | null>>,
  variant: KernelVariant<Use> = chooseVariant(kernel, use, gpu.capabilities),
): Promise<Dispatch> {
  const label = kernelLabel(kernel, use, variant);
  const entries = boundBy(kernel, use, variant).map(({ name }, binding) => {
    const given = buffers[name];
    if (!given) throw new Error(`${label}: no buffer for binding '${name}'`);
    return { binding, resource: 'buffer' in given ? given : { buffer: given } };
  });
  const pipeline = await gpu.pipeline(label, kernelCode(kernel, use, variant));
  return {
    label,
    boundBytes: entries.reduce((sum, { resource }) => sum + rangeBytes(resource), 0),
    pipeline,
    bindGroup: gpu.createBindGroup(label, pipeline, entries),
    workgroups: (rows) => variant.workgroups(use, rows),
  };
}

function rangeBytes({ buffer, offset = 0, size }: BufferRange): number {
  return size ?? buffer.size - offset;
}

/** Workgroup counts beyond the limit of one dimension spill into the second; kernels undo it by `linear_workgroup`. */
export function spread(workgroups: number, z = 1): readonly [number, number, number] {
  const limit = 65_535;
  if (workgroups <= limit) return [workgroups, 1, z];
  const y = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / y), y, z];
}
