import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';

/** One use of `matmul`: y[tokens, rows] = x[tokens, columns] · weights[rows, columns]ᵀ. */
export interface MatmulUse {
  format: QuantFormat;
  rows: number;
  columns: number;
  /** Elements from one token's outputs to the next one's. */
  yStride: number;
  /** First element of a token's outputs that is written. */
  yOffset?: number;
  bias?: boolean;
  /** y += instead of y =. */
  residual?: boolean;
}

/** Tokens of a tile, and rows of the smaller one. */
const tile = 64;
/** Tokens that share one decoding of a weight in the serial variant. */
const serialTokens = 8;
const serialWorkgroup = 16;

const serial: KernelVariant<MatmulUse> = {
  name: 'serial',
  unsupported: () => null,
  options: (use) => ({
    choices: { quant: use.format.name },
    flags: flagsOf(use),
    constants: { WORKGROUP: serialWorkgroup, TOKENS: serialTokens },
  }),
  workgroups: (use, tokens) => [
    Math.ceil(use.rows / serialWorkgroup),
    1,
    Math.ceil(tokens / serialTokens),
  ],
};

/** `rowQuads` times four rows an invocation: more sums for each value read, more workgroup memory. */
function tiled(name: string, rowQuads: number): KernelVariant<MatmulUse> {
  const storageBytes = 32 * tile * 4 * (1 + rowQuads);
  return {
    name,
    unsupported: (_, { workgroupInvocations, workgroupStorageBytes }) => {
      if (workgroupInvocations < 256) return 'needs workgroups of 256';
      return workgroupStorageBytes < storageBytes
        ? `needs ${storageBytes} bytes of workgroup memory`
        : null;
    },
    options: (use) => ({
      choices: { quant: use.format.name },
      flags: ['tiled', ...flagsOf(use)],
      constants: { ROW_QUADS: rowQuads },
    }),
    workgroups: (use, tokens) => [
      Math.ceil(use.rows / (tile * rowQuads)),
      1,
      Math.ceil(tokens / tile),
    ],
  };
}

function flagsOf(use: MatmulUse): string[] {
  return [...(use.bias ? ['bias'] : []), ...(use.residual ? ['residual'] : [])];
}

/** Matrix · matrix for prefill. */
export const matmul: Kernel<MatmulUse> = defineKernel<MatmulUse>({
  name: 'matmul',
  shader: 'matmul/matmul',
  params: {
    rows: 'u32',
    groups: 'u32',
    row_vec4s: 'u32',
    y_stride: 'u32',
    y_offset: 'u32',
  },
  paramValues: (use) => ({
    rows: use.rows,
    groups: Math.ceil(use.columns / groupElements),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    y_stride: use.yStride,
    y_offset: use.yOffset ?? 0,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'y', type: 'array<f32>', access: 'read_write' },
    { name: 'bias', type: 'array<f32>', access: 'read', when: (use) => use.bias === true },
  ],
  variants: [serial, tiled('tiled', 1), tiled('tiled-wide', 2)],
  preferred: (_, { software }) => (software ? ['serial'] : ['tiled-wide', 'tiled', 'serial']),
});
