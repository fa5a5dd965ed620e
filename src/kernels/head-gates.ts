import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `head-gates`: x [tokens, columns] → gates [tokens, sharedHeads + routedHeads]. */
export interface HeadGatesUse {
  /** How the router [2 + sharedHeads + routedHeads, columns] is stored. */
  format: QuantFormat;
  columns: number;
  sharedHeads: number;
  routedHeads: number;
  /** Routed heads that are on for a token. */
  active: number;
  /** Of the RMS norm before the router. */
  epsilon: number;
}

function sumsOf({ sharedHeads, routedHeads }: HeadGatesUse): number {
  return 3 + sharedHeads + routedHeads;
}

function variant(
  name: string,
  reduce: 'none' | 'workgroup' | 'subgroup',
  workgroup: number,
): KernelVariant<HeadGatesUse> {
  const lanes = reduce === 'none' ? 1 : workgroup;
  const scratch = { none: 0, workgroup, subgroup: workgroup / 4 }[reduce];
  return {
    name,
    unsupported: (use, { subgroups, workgroupStorageBytes }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      const bytes = scratch * sumsOf(use) * 4;
      return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { quant: use.format.name, reduce },
      flags: reduce === 'subgroup' ? ['subgroups'] : [],
      constants: {
        WORKGROUP: workgroup,
        LANES: lanes,
        SUMS: sumsOf(use),
        ROUTER_ROWS: sumsOf(use) - 1,
        SHARED: use.sharedHeads,
        ROUTED: use.routedHeads,
        ACTIVE: use.active,
      },
    }),
    workgroups: (_, tokens) => [Math.ceil((tokens * lanes) / workgroup), 1, 1],
  };
}

/** The router of Mixture-of-Head attention: which query heads of a token are on, and with what weight. */
export const headGates: Kernel<HeadGatesUse> = defineKernel<HeadGatesUse>({
  name: 'head-gates',
  library: languageShaders,
  shader: 'attention/head-gates',
  params: { columns: 'u32', groups: 'u32', row_vec4s: 'u32', epsilon: 'f32' },
  paramValues: (use) => ({
    columns: use.columns,
    groups: Math.ceil(use.columns / groupElements),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    epsilon: use.epsilon,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'norm_weight', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'gates', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [
    variant('serial', 'none', 16),
    variant('workgroup', 'workgroup', 32),
    variant('subgroup', 'subgroup', 64),
  ],
  preferred: (_, { software }) => (software ? ['serial'] : ['subgroup', 'workgroup', 'serial']),
});
