import type { Gpu } from './gpu.ts';
import { chooseVariant, type Kernel, type KernelVariant } from './kernel.ts';

/** The buffer `params` of a use whose pipeline is shared with uses of other sizes; nothing for others. The caller destroys it. */
export function createSharedParams<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  use: Use,
  variant: KernelVariant<Use> = chooseVariant(kernel, use, gpu.capabilities),
): { params?: GPUBuffer } {
  if (!variant.sharedPipeline) return {};
  const values = kernel.paramValues(use);
  const fields = Object.entries(kernel.params);
  const words = new DataView(new ArrayBuffer(fields.length * 4));
  for (const [i, [name, type]] of fields.entries()) {
    const value = values[name] ?? 0;
    if (type === 'u32') words.setUint32(i * 4, value, true);
    else words.setFloat32(i * 4, value, true);
  }
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const params = gpu.createBuffer(`${kernel.name} params`, words.byteLength, usage);
  gpu.write(params, 0, words);
  return { params };
}
