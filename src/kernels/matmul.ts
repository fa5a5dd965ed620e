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
  /** Fragments of a subgroup, and subgroups of a workgroup. */
  tokenFragments: number;
  rowFragments: number;
  tokenSubgroups: number;
  rowSubgroups: number;
  /** Groups of 32 columns that lie in workgroup memory at a time. */
  stepGroups: number;
  buffers?: number;
}

const subgroupSize = 32;
/** Edge of the fragments that subgroups multiply. */
const fragment = 16;

function matrix(name: string, shape: MatrixShape): KernelVariant<MatmulUse> {
  const tokens = shape.tokenSubgroups * shape.tokenFragments * fragment;
  const rows = shape.rowSubgroups * shape.rowFragments * fragment;
  const workgroup = shape.tokenSubgroups * shape.rowSubgroups * subgroupSize;
  return {
    name,
    unsupported: (use, capabilities) => {
      if (use.x !== 'f16') return 'reads halves';
      if (use.rows % fragment !== 0) return `needs a multiple of ${fragment} rows`;
      return matrixUnsupported(capabilities);
    },
    options: (use) => ({
      choices: { quant: use.format.name, half: halfModule(use.format) },
      flags: [
        'matrix',
        'f16',
        'subgroups',
        'subgroup_matrix',
        ...(shape.buffers === 2 ? ['double'] : []),
        ...flagsOf(use),
      ],
      constants: {
        WORKGROUP: workgroup,
        TOKEN_SUBGROUPS: shape.tokenSubgroups,
        ROW_SUBGROUPS: shape.rowSubgroups,
        TOKEN_FRAGMENTS: shape.tokenFragments,
        ROW_FRAGMENTS: shape.rowFragments,
        COLUMN_FRAGMENTS: (shape.stepGroups * groupElements) / fragment,
        STEP_GROUPS: shape.stepGroups,
        EDGE: fragment,
        BUFFERS: shape.buffers ?? 1,
        X_LOADS: (tokens * shape.stepGroups * 4) / workgroup,
        GROUP_LOADS: (rows * shape.stepGroups) / workgroup,
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
    matrix('matrix-64', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m22-22-2-2', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 2,
    }),
    matrix('matrix-128', {
      tokenFragments: 4,
      rowFragments: 4,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 1,
      buffers: 1,
    }),
    matrix('m44-22-1-2', {
      tokenFragments: 4,
      rowFragments: 4,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 1,
      buffers: 2,
    }),
    matrix('m21-24-4-1', {
      tokenFragments: 2,
      rowFragments: 1,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m12-22-4-1', {
      tokenFragments: 1,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m12-22-2-1', {
      tokenFragments: 1,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m12-22-2-2', {
      tokenFragments: 1,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 2,
    }),
    matrix('m21-22-4-1', {
      tokenFragments: 2,
      rowFragments: 1,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m11-22-4-1', {
      tokenFragments: 1,
      rowFragments: 1,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m11-22-4-2', {
      tokenFragments: 1,
      rowFragments: 1,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 2,
    }),
    matrix('m42-24-2-1', {
      tokenFragments: 4,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m42-22-2-1', {
      tokenFragments: 4,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m24-22-2-1', {
      tokenFragments: 2,
      rowFragments: 4,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m22-24-2-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m44-22-2-1', {
      tokenFragments: 4,
      rowFragments: 4,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m22-22-4-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m22-28-2-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 8,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m44-24-1-1', {
      tokenFragments: 4,
      rowFragments: 4,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 1,
      buffers: 1,
    }),
    matrix('m22-14-2-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m22-14-2-2', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 2,
    }),
    matrix('m22-12-2-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m22-12-2-2', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 2,
      stepGroups: 2,
      buffers: 2,
    }),
    matrix('m22-12-4-1', {
      tokenFragments: 2,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 2,
      stepGroups: 4,
      buffers: 1,
    }),
    matrix('m42-14-1-1', {
      tokenFragments: 4,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 4,
      stepGroups: 1,
      buffers: 1,
    }),
    matrix('m42-14-1-2', {
      tokenFragments: 4,
      rowFragments: 2,
      tokenSubgroups: 1,
      rowSubgroups: 4,
      stepGroups: 1,
      buffers: 2,
    }),
    matrix('m12-24-2-1', {
      tokenFragments: 1,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 1,
    }),
    matrix('m12-24-2-2', {
      tokenFragments: 1,
      rowFragments: 2,
      tokenSubgroups: 2,
      rowSubgroups: 4,
      stepGroups: 2,
      buffers: 2,
    }),
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    return [use.rows >= 4096 ? 'matrix-128' : 'matrix-64', 'tiled-64', 'serial'];
  },
});
