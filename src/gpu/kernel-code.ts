import type { BufferRange, Dispatch, Gpu } from './gpu.ts';
import type { Binding, BoundBuffers, Kernel, KernelVariant } from './kernel.ts';
import { linkShader } from './wgsl-linker.ts';

/** `Gpu.prepare`. */
export async function compileDispatch<Use>(
  gpu: Pick<Gpu, 'pipeline' | 'createBindGroup'>,
  kernel: Kernel<Use>,
  use: Use,
  buffers: BoundBuffers,
  variant: KernelVariant<Use>,
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

function rangeBytes({ buffer, offset = 0, size }: BufferRange): number {
  return size ?? buffer.size - offset;
}
