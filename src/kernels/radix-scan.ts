import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/** One use of `radix-scan`: counts [length]. */
export interface RadixScanUse {
  length: number;
}

/** Exclusive prefix sums in place, and the sum of all; those that would not fit are 2³² − 1. */
export const radixScan: Kernel<RadixScanUse> = defineKernel<RadixScanUse>({
  name: 'radix-scan',
  library: splatShaders,
  shader: 'splats/radix-scan',
  params: { length: 'u32' },
  paramValues: ({ length }) => ({ length }),
  bindings: [
    { name: 'counts', type: 'array<u32>', access: 'read_write' },
    { name: 'sum', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'parallel',
      unsupported: () => null,
      options: () => ({ flags: ['parallel', 'saturating'], constants: { WORKGROUP: 256 } }),
      workgroups: () => [1, 1, 1],
    },
    {
      name: 'serial',
      unsupported: () => null,
      options: () => ({ constants: { WORKGROUP: 1 } }),
      workgroups: () => [1, 1, 1],
    },
  ],
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel']),
});
