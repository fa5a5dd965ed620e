import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements, halfModule, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';
import { matrixUnsupported } from './matrix-support.ts';

/** One use of `matmul`: y[tokens, rows] = x[tokens, columns] · weights[rows, columns]ᵀ. */
export interface MatmulUse {
  format: QuantFormat;
  rows: number;
  columns: number;
  /** How x is stored. */
  x: 'f32' | 'f16';
  /** Elements from one token's outputs to the next one's. */
  yStride: number;
  /** First element of a token's outputs that is written. */
  yOffset?: number;
  bias?: boolean;
  /** y += instead of y =. */
  residual?: boolean;
}

/**
 * Tokens that the matrix variants write at a time: y has room for a multiple of them, and what stands behind the last token is
 * undefined.
 */
export const matmulTokens = 16;

/** Tokens that share one decoding of a weight in the serial variant. */
const serialTokens = 8;
const serialWorkgroup = 16;

const serial: KernelVariant<MatmulUse> = {
  name: 'serial',
  unsupported: () => null,
  options: (use) => ({
    choices: { quant: use.format.name, x: use.x },
    flags: flagsOf(use),
    constants: { WORKGROUP: serialWorkgroup, TOKENS: serialTokens },
  }),
  workgroups: (use, tokens) => [
    Math.ceil(use.rows / serialWorkgroup),
    1,
    Math.ceil(tokens / serialTokens),
  ],
};

/** Edge of the square of invocations of the tiled variants. */
const side = 16;

/** Tiles of side × each tokens and as many rows, of 32 columns in single precision. */
function tiled(each: number): KernelVariant<MatmulUse> {
  const tile = side * each;
  const bytes = 2 * tile * groupElements * 4;
  return {
    name: `tiled-${tile}`,
    unsupported: (_, { workgroupInvocations, workgroupStorageBytes }) => {
      if (workgroupInvocations < side * side) return `needs workgroups of ${side * side}`;
      return workgroupStorageBytes < bytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { quant: use.format.name, x: use.x },
      flags: ['tiled', ...flagsOf(use)],
      constants: { EACH: each, X_LOADS: (tile * groupElements) / 4 / side ** 2 },
    }),
    workgroups: (use, tokens) => [Math.ceil(use.rows / tile), 1, Math.ceil(tokens / tile)],
  };
}

interface MatrixShape {
  /** Fragments of a subgroup, of which two by two stand in a workgroup. */
  tokenFragments: number;
  rowFragments: number;
  /** Groups of 32 columns that lie in workgroup memory at a time. */
  stepGroups: number;
}

const matrixWorkgroup = 128;
/** So few rows leave multiprocessors without work where a workgroup takes 64 tokens. */
const fewRows = 768;
/** Edge of the fragments that subgroups multiply. */
const fragment = 16;

function matrix(name: string, shape: MatrixShape): KernelVariant<MatmulUse> {
  const tokens = 2 * shape.tokenFragments * fragment;
  const rows = 2 * shape.rowFragments * fragment;
  return {
    name,
    unsupported: (use, capabilities) => {
      if (use.x !== 'f16') return 'reads halves';
      if (use.rows % fragment !== 0) return `needs a multiple of ${fragment} rows`;
      return matrixUnsupported(capabilities);
    },
    options: (use) => ({
      choices: { quant: use.format.name, half: halfModule(use.format) },
      flags: ['matrix', 'f16', 'subgroups', 'subgroup_matrix', ...flagsOf(use)],
      constants: {
        WORKGROUP: matrixWorkgroup,
        TOKEN_FRAGMENTS: shape.tokenFragments,
        ROW_FRAGMENTS: shape.rowFragments,
        COLUMN_FRAGMENTS: (shape.stepGroups * groupElements) / fragment,
        STEP_GROUPS: shape.stepGroups,
        EDGE: fragment,
        X_LOADS: (tokens * shape.stepGroups * 4) / matrixWorkgroup,
        GROUP_LOADS: (rows * shape.stepGroups) / matrixWorkgroup,
      },
    }),
    workgroups: (use, count) => [Math.ceil(use.rows / rows), 1, Math.ceil(count / tokens)],
  };
}

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
    { name: 'x', type: 'array<X>', access: 'read' },
    { name: 'y', type: 'array<f32>', access: 'read_write' },
    { name: 'bias', type: 'array<f32>', access: 'read', when: (use) => use.bias === true },
  ],
  variants: [
    serial,
    tiled(4),
    tiled(8),
    matrix('matrix-32', { tokenFragments: 1, rowFragments: 2, stepGroups: 2 }),
    matrix('matrix-64', { tokenFragments: 2, rowFragments: 2, stepGroups: 2 }),
    matrix('matrix-128', { tokenFragments: 4, rowFragments: 4, stepGroups: 1 }),
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    const tiles = use.rows < fewRows ? 'matrix-32' : use.rows < 4096 ? 'matrix-64' : 'matrix-128';
    return [tiles, use.rows < 8192 ? 'tiled-64' : 'tiled-128', 'tiled-64', 'serial'];
  },
});
