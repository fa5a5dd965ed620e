import type { Capabilities } from './capabilities.ts';
import type { BufferRange, EncodableDispatch, Gpu } from './gpu.ts';
import { linkShader, type ShaderLibrary, type ShaderOptions } from './wgsl-linker.ts';

/** A binding of a kernel. `when` leaves it out of variants that do not use it. */
export interface KernelBinding<Use> {
  name: string;
  /** WGSL type of the buffer: `array<vec4<f32>>`. */
  type: string;
  access: 'read' | 'read_write' | 'uniform';
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
}

/**
 * A kernel: one WGSL module and what binds it. `Use` says what one use of it needs: sizes, formats, switches.
 * `struct Params`, its uniform and all binding numbers are generated from this, so they cannot disagree.
 */
export interface Kernel<Use> {
  name: string;
  /** The modules that the shader and its imports come from. */
  library: ShaderLibrary;
  /** Path of the module in `shaders/`, without the ending. */
  shader: string;
  /** Fields of `params` and their values for a use. Written once, when the dispatch is made. */
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
  const names = kernel.preferred(use, capabilities);
  for (const name of names) {
    const variant = kernel.variants.find((candidate) => candidate.name === name);
    if (variant && variant.unsupported(use, capabilities) === null) return variant;
  }
  throw new Error(`${kernel.name}: no variant of ${names.join(', ')} runs on this adapter`);
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
    [paramsStruct(kernel), ...bindingDeclarations(kernel, use)].join('\n'),
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

/** Binding 0 is `params`; the rest follow in the order of the kernel, those not in use left out. */
function bindingDeclarations<Use>(kernel: Kernel<Use>, use: Use): string[] {
  const inUse = bindingsInUse(kernel, use);
  return inUse.map(({ name, type, access }, index) => {
    const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
    return `@group(0) @binding(${index + 1}) var<${space}> ${name}: ${type};`;
  });
}

function bindingsInUse<Use>(kernel: Kernel<Use>, use: Use): KernelBinding<Use>[] {
  return kernel.bindings.filter((binding) => binding.when?.(use) ?? true);
}

function paramsStruct<Use>(kernel: Kernel<Use>): string {
  const fields = Object.entries(kernel.params).map(([name, type]) => `  ${name}: ${type},`);
  if (fields.length === 0) return '';
  return `struct Params {\n${fields.join('\n')}\n}\n@group(0) @binding(0) var<uniform> params: Params;`;
}

/** The uniform's bytes for a use. */
export function paramBytes<Use>(kernel: Kernel<Use>, use: Use): Uint8Array<ArrayBuffer> {
  const values = kernel.paramValues(use);
  const fields = Object.entries(kernel.params);
  const view = new DataView(new ArrayBuffer(Math.ceil((fields.length * 4) / 16) * 16));
  fields.forEach(([name, type], index) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${kernel.name}: parameter '${name}' has no value`);
    if (type === 'u32') view.setUint32(index * 4, value, true);
    else view.setFloat32(index * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** A dispatch before its parameters have a place: `DispatchPlan` gives them one. */
export interface PreparedDispatch {
  label: string;
  pipeline: GPUComputePipeline;
  params: Uint8Array<ArrayBuffer>;
  buffers: readonly BufferRange[];
  workgroups(rows: number): readonly [number, number, number];
}

/** Compiles the chosen variant for a use and remembers its buffers, which are named as the kernel's bindings. */
export async function prepareDispatch<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  use: Use,
  buffers: Readonly<Record<string, BufferRange | GPUBuffer>>,
  variant: KernelVariant<Use> = chooseVariant(kernel, use, gpu.capabilities),
): Promise<PreparedDispatch> {
  const label = kernelLabel(kernel, use, variant);
  const ranges = bindingsInUse(kernel, use).map(({ name }) => {
    const given = buffers[name];
    if (!given) throw new Error(`${label}: no buffer for binding '${name}'`);
    return 'buffer' in given ? given : { buffer: given };
  });
  const pipeline = await gpu.pipeline(label, kernelCode(kernel, use, variant));
  return {
    label,
    pipeline,
    params: paramBytes(kernel, use),
    buffers: ranges,
    workgroups: (rows) => variant.workgroups(use, rows),
  };
}

/** Dispatches in order, with all their parameters in one uniform buffer. Recording one again creates nothing. */
export class DispatchPlan {
  readonly dispatches: readonly (EncodableDispatch & { label: string })[];
  readonly #gpu: Gpu;
  readonly #uniforms: GPUBuffer;

  constructor(gpu: Gpu, label: string, prepared: readonly PreparedDispatch[]) {
    this.#gpu = gpu;
    const alignment = gpu.device.limits.minUniformBufferOffsetAlignment;
    const slots: number[] = [];
    let bytes = 0;
    for (const { params } of prepared) {
      slots.push(bytes);
      bytes += Math.ceil(params.byteLength / alignment) * alignment;
    }
    this.#uniforms = gpu.createBuffer(
      `${label} parameters`,
      bytes,
      GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    );
    const contents = new Uint8Array(this.#uniforms.size);
    prepared.forEach(({ params }, index) => {
      contents.set(params, slots[index]);
    });
    gpu.write(this.#uniforms, 0, contents);
    this.dispatches = prepared.map((dispatch, index) => {
      const { params, buffers } = dispatch;
      const uniform =
        params.byteLength > 0
          ? [{ binding: 0, resource: this.#range(slots[index] ?? 0, params.byteLength) }]
          : [];
      const storage = buffers.map((resource, i) => ({ binding: i + 1, resource }));
      return {
        label: dispatch.label,
        pipeline: dispatch.pipeline,
        bindGroup: gpu.createBindGroup(dispatch.label, dispatch.pipeline, [...uniform, ...storage]),
        workgroups: dispatch.workgroups,
      };
    });
  }

  #range(offset: number, size: number): BufferRange {
    return { buffer: this.#uniforms, offset, size };
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#uniforms);
  }
}

/** Workgroup counts beyond the limit of one dimension spill into the second; kernels undo it by `linear_workgroup`. */
export function spread(workgroups: number, z = 1): readonly [number, number, number] {
  const limit = 65_535;
  if (workgroups <= limit) return [workgroups, 1, z];
  const y = Math.ceil(workgroups / limit);
  return [Math.ceil(workgroups / y), y, z];
}
