import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type RadixPassUse, radixBlockCount, radixVariants } from './radix-count.ts';
import { splatShaders } from './splat-shaders.ts';

/** Moves keys and values to the places that counts give, scanned ones or not, equal digits in their order. */
export const radixScatter: Kernel<RadixPassUse> = defineKernel<RadixPassUse>({
  name: 'radix-scatter',
  library: splatShaders,
  shader: 'splats/radix-scatter',
  params: { capacity: 'u32', blocks: 'u32', shift: 'u32' },
  paramValues: (use) => ({
    capacity: use.capacity,
    blocks: radixBlockCount(use),
    shift: use.shift,
  }),
  bindings: [
    { name: 'total', type: 'array<u32>', access: 'read' },
    { name: 'offsets', type: 'array<u32>', access: 'read' },
    { name: 'keys_in', type: 'array<u32>', access: 'read' },
    { name: 'values_in', type: 'array<u32>', access: 'read', when: ({ first }) => !first },
    { name: 'keys_out', type: 'array<u32>', access: 'read_write' },
    { name: 'values_out', type: 'array<u32>', access: 'read_write' },
  ],
  variants: radixVariants(({ first, counted }) => [
    ...(first ? ['first'] : []),
    ...(counted ? ['counted'] : []),
  ]),
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel', 'serial']),
});
