import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';

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

/** Edge of the tiled variant's square of tokens × rows. Twice the rows was slower: 168 ms against 146 for 2,048 tokens of SmolLM2. */
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

const tiled: KernelVariant<MatmulUse> = {
  name: 'tiled',
  unsupported: (_, { workgroupInvocations }) =>
    workgroupInvocations < 256 ? 'needs workgroups of 256' : null,
  options: (use) => ({
    choices: { quant: use.format.name },
    flags: ['tiled', ...flagsOf(use)],
  }),
  workgroups: (use, tokens) => [Math.ceil(use.rows / tile), 1, Math.ceil(tokens / tile)],
};

function flagsOf(use: MatmulUse): string[] {
  return [...(use.bias ? ['bias'] : []), ...(use.residual ? ['residual'] : [])];
}

/** Matrix · matrix for prefill. */
export const matmul: Kernel<MatmulUse> = defineKernel<MatmulUse>({
  name: 'matmul',
  library: languageShaders,
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
  variants: [serial, tiled],
  preferred: (_, { software }) => (software ? ['serial'] : ['tiled', 'serial']),
});
