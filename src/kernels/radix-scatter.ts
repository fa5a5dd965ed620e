import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type RadixPassUse, radixPass, radixVariants } from './radix-count.ts';

/** Moves keys and values to the places that counts give, scanned ones or not, equal digits in their order. */
export const radixScatter: Kernel<RadixPassUse> = defineKernel<RadixPassUse>({
  ...radixPass,
  name: 'radix-scatter',
  shader: 'splats/radix-scatter',
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
});
