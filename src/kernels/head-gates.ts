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

/** Rows of the router that have invocations of their own in a workgroup. */
const rowsAtOnce = 16;

/** `lanes` invocations a row of the router, of one subgroup. */
function byRow(lanes: number): KernelVariant<HeadGatesUse> {
  return {
    name: `rows-${lanes}`,
    unsupported: (use, { minSubgroupSize, workgroupInvocations }) => {
      if (lanes > 1 && minSubgroupSize < lanes) return `needs subgroups of at least ${lanes}`;
      const { workgroup } = rowSets(use, lanes);
      return workgroupInvocations < workgroup ? `needs workgroups of ${workgroup}` : null;
    },
    options: (use) => {
      const { rows, each, workgroup } = rowSets(use, lanes);
      return {
        choices: { quant: use.format.name },
        flags: lanes > 1 ? ['subgroups'] : [],
        constants: {
          WORKGROUP: workgroup,
          LANES: lanes,
          ROWS_EACH: each,
          ROUTER_ROWS: rows,
          SHARED: use.sharedHeads,
          ROUTED: use.routedHeads,
          ACTIVE: use.active,
        },
      };
    },
    workgroups: (_, tokens) => [tokens, 1, 1],
  };
}

function rowSets(
  { sharedHeads, routedHeads }: HeadGatesUse,
  lanes: number,
): Record<'rows' | 'each' | 'workgroup', number> {
  const rows = 2 + sharedHeads + routedHeads;
  const each = Math.ceil(rows / rowsAtOnce);
  return { rows, each, workgroup: lanes * Math.ceil(rows / each) };
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
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'norm_weight', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'gates', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [byRow(1), byRow(4), byRow(32)],
  preferred: (_, { software }) => (software ? ['rows-1'] : ['rows-32', 'rows-4', 'rows-1']),
});
