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

function routerRows({ sharedHeads, routedHeads }: HeadGatesUse): number {
  return 2 + sharedHeads + routedHeads;
}

/** Those of the rows, and that of the squares. */
function sumsOf(use: HeadGatesUse): number {
  return routerRows(use) + 1;
}

function variant(
  name: string,
  reduce: 'none' | 'workgroup',
  workgroup: number,
): KernelVariant<HeadGatesUse> {
  const lanes = reduce === 'none' ? 1 : workgroup;
  return {
    name,
    unsupported: (use, { workgroupStorageBytes }) => {
      const bytes = reduce === 'none' ? 0 : workgroup * sumsOf(use) * 4;
      return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { quant: use.format.name, reduce },
      constants: { WORKGROUP: workgroup, LANES: lanes, SUMS: sumsOf(use), ...constantsOf(use) },
    }),
    workgroups: (_, tokens) => [Math.ceil((tokens * lanes) / workgroup), 1, 1],
  };
}

/** Rows of the router that have invocations of their own in a workgroup. */
const rowsAtOnce = 16;

/** `lanes` invocations a row of the router: with one workgroup for all rows a token waits for one after the other. */
function byRow(lanes: number): KernelVariant<HeadGatesUse> {
  return {
    name: `rows-${lanes}`,
    unsupported: (use, { minSubgroupSize, workgroupInvocations }) => {
      if (minSubgroupSize < lanes) return `needs subgroups of at least ${lanes}`;
      const { workgroup } = rowSets(use, lanes);
      if (workgroupInvocations < workgroup) return `needs workgroups of ${workgroup}`;
      const heads = use.sharedHeads + use.routedHeads;
      return heads > workgroup ? `more than ${workgroup} heads` : null;
    },
    options: (use) => {
      const { workgroup, each } = rowSets(use, lanes);
      return {
        choices: { quant: use.format.name },
        flags: ['by_row', 'subgroups'],
        constants: { WORKGROUP: workgroup, LANES: lanes, ROWS_EACH: each, ...constantsOf(use) },
      };
    },
    workgroups: (_, tokens) => [tokens, 1, 1],
  };
}

function rowSets(use: HeadGatesUse, lanes: number): { workgroup: number; each: number } {
  const rows = routerRows(use);
  const each = Math.ceil(rows / rowsAtOnce);
  return { workgroup: lanes * Math.ceil(rows / each), each };
}

function constantsOf(use: HeadGatesUse): Record<string, number> {
  return {
    ROUTER_ROWS: routerRows(use),
    SHARED: use.sharedHeads,
    ROUTED: use.routedHeads,
    ACTIVE: use.active,
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
    byRow(32),
    byRow(4),
  ],
  preferred: (_, { software }) =>
    software ? ['serial'] : ['rows-32', 'rows-4', 'workgroup', 'serial'],
});
