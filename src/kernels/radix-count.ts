import { defineKernel, type Kernel, type KernelVariant, spread } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/** One use of `radix-count`, and of `radix-scatter`: a pass over `capacity` keys at most, in blocks. */
export interface RadixPassUse {
  capacity: number;
  /** The lowest bit of the digit. */
  shift: number;
  /** Keys of a block: `radixBlocks.parallel` for a workgroup each, any number for an invocation each. */
  blockKeys: number;
  /** The first pass: values are the keys' own indices. `radix-count` is the same for all passes. */
  first?: boolean;
  /** Nobody scans the counts: `radix-scatter` sums those that it needs. Every workgroup reads all of them, so blocks must be few. */
  counted?: boolean;
}

/** Keys of a block where a workgroup or an invocation does one. */
export const radixBlocks: { readonly parallel: number; readonly serial: number } = {
  parallel: 2048,
  serial: 256,
};

export const radixDigits: number = 16;

export function radixBlockCount({ capacity, blockKeys }: RadixPassUse): number {
  return Math.max(1, Math.ceil(capacity / blockKeys));
}

/** The two ways to do a step: a workgroup for each block, or one invocation, which needs no barrier. */
export function radixVariants(
  flags: (use: RadixPassUse) => string[],
): KernelVariant<RadixPassUse>[] {
  const serialWorkgroup = 16;
  return [
    {
      name: 'parallel',
      unsupported: ({ blockKeys }) =>
        blockKeys === radixBlocks.parallel ? null : `needs blocks of ${radixBlocks.parallel}`,
      options: (use) => ({
        flags: ['parallel', ...flags(use)],
        constants: { WORKGROUP: 256, BLOCK: use.blockKeys },
      }),
      workgroups: (use) => spread(radixBlockCount(use)),
    },
    {
      name: 'serial',
      unsupported: ({ counted }) => (counted ? 'needs scanned counts' : null),
      options: (use) => ({
        flags: flags(use),
        constants: { WORKGROUP: serialWorkgroup, BLOCK: use.blockKeys },
      }),
      workgroups: (use) => spread(Math.ceil(radixBlockCount(use) / serialWorkgroup)),
    },
  ];
}

/** What the kernels of a pass have in common. */
export const radixPass: Pick<
  Kernel<RadixPassUse>,
  'library' | 'params' | 'paramValues' | 'preferred'
> = {
  library: splatShaders,
  params: { capacity: 'u32', blocks: 'u32', shift: 'u32' },
  paramValues: (use) => ({
    capacity: use.capacity,
    blocks: radixBlockCount(use),
    shift: use.shift,
  }),
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel', 'serial']),
};

/** Counts digits of keys, block by block: counts [16, blocks]. */
export const radixCount: Kernel<RadixPassUse> = defineKernel<RadixPassUse>({
  ...radixPass,
  name: 'radix-count',
  shader: 'splats/radix-count',
  bindings: [
    { name: 'total', type: 'array<u32>', access: 'read' },
    { name: 'keys', type: 'array<u32>', access: 'read' },
    { name: 'counts', type: 'array<u32>', access: 'read_write' },
  ],
  variants: radixVariants(() => []),
});
