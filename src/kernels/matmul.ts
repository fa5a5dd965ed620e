import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements, halfModule, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';
import { matrixUnsupported } from './matrix-support.ts';
import type { Activation } from './matvec.ts';

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
  /** The rows are gates, then as many ups: y [tokens, rows / 2], in halves, is this of a gate times its up. By the matrix variants alone. */
  gated?: Activation;
  /** Tokens of the passes that it is for, at least: one of `passSizes`. */
  leastTokens?: number;
}

/**
 * Tokens that the matrix variants write at a time: y has room for a multiple of them, and what stands behind the last token is
 * undefined.
 */
export const matmulTokens = 16;

/** From so many tokens on, larger tiles of some matrices are enough to fill a GPU; see `tileOf`. */
const passFrom = { short: 65, usual: 129, middle: 768, long: 1536, longest: 1920 } as const;

/** Passes of fewer tokens than the next of these have the same tiles. */
export const passSizes: readonly number[] = [0, ...Object.values(passFrom)];

/** Tokens that share one decoding of a weight in the serial variant. */
const serialTokens = 8;
const serialWorkgroup = 16;

const leavesSums = 'leaves sums as they are';

const serial: KernelVariant<MatmulUse> = {
  name: 'serial',
  unsupported: ({ gated }) => (gated ? leavesSums : null),
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
    unsupported: ({ gated }, { workgroupInvocations, workgroupStorageBytes }) => {
      if (gated) return leavesSums;
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
  /** Fragments of a subgroup. */
  tokenFragments: number;
  rowFragments: number;
  /** Subgroups of a tile side by side; 2 by default. */
  rowSubgroups?: number;
  /** Groups of 32 columns that lie in workgroup memory at a time. */
  stepGroups: number;
  /** Are loads two steps ahead and weights decoded before the barrier? A gain where sums leave registers for that. */
  ahead?: boolean;
}

const tokenSubgroups = 2;
const subgroupSize = 32;
/** Edge of the fragments that subgroups multiply. */
const fragment = 16;

/**
 * Tiles by rows of the matrix and tokens of the pass, measured on an H200: larger ones read less, smaller ones leave fewer multiprocessors
 * without work. It has two workgroups of 128 × 128 on a multiprocessor at once, one where eight subgroups share it.
 */
function tileOf({ rows, gated }: MatmulUse, tokens: number): string {
  if (rows === 4096 && !gated && tokens >= passFrom.long) return 'matrix-128x128-8';
  if (rows >= 4096) return tokens < passFrom.short ? 'matrix-64x64' : 'matrix-128x128';
  if (rows < 768) return 'matrix-32x64';
  if (rows < 3072 && tokens < passFrom.usual) return 'matrix-32x64';
  if (tokens < passFrom.middle) return 'matrix-64x64';
  if (rows >= 3072) return tokens < passFrom.long ? 'matrix-64x128' : 'matrix-128x128';
  if (rows >= 1536) return 'matrix-128x128-8';
  return rows <= 1056 && tokens >= passFrom.longest ? 'matrix-128x128-8' : 'matrix-64x64';
}

/** Tiles of tokens × rows, named by them and by how many subgroups share one where that is not four. */
function matrix(shape: MatrixShape): KernelVariant<MatmulUse> {
  const { rowSubgroups = 2, stepGroups } = shape;
  const tokens = tokenSubgroups * shape.tokenFragments * fragment;
  const rows = rowSubgroups * shape.rowFragments * fragment;
  const subgroups = tokenSubgroups * rowSubgroups;
  const invocations = subgroups * subgroupSize;
  const tileBytes = (tokens + rows) * (stepGroups * groupElements + 8) * 2;
  return {
    name: `matrix-${tokens}x${rows}${subgroups === 4 ? '' : `-${subgroups}`}`,
    unsupported: (use, capabilities) => {
      if (use.x !== 'f16') return 'reads halves';
      const edge = use.gated ? 2 * fragment : fragment;
      if (use.rows % edge !== 0) return `needs a multiple of ${edge} rows`;
      if (use.gated && (use.bias || use.residual)) return 'activates products alone';
      if (tileBytes > capabilities.workgroupStorageBytes)
        return `needs ${tileBytes} bytes of workgroup memory`;
      return matrixUnsupported(capabilities);
    },
    options: (use) => ({
      choices: {
        quant: use.format.name,
        half: halfModule(use.format),
        ...(use.gated ? { activation: use.gated } : {}),
      },
      flags: [
        'matrix',
        'f16',
        'subgroups',
        'subgroup_matrix',
        ...(use.format.half === 'scaled' ? ['scales'] : []),
        ...(shape.ahead ? ['ahead'] : []),
        ...flagsOf(use),
      ],
      constants: {
        WORKGROUP: invocations,
        ROW_SUBGROUPS: rowSubgroups,
        TOKEN_FRAGMENTS: shape.tokenFragments,
        ROW_FRAGMENTS: shape.rowFragments,
        COLUMN_FRAGMENTS: (stepGroups * groupElements) / fragment,
        STEP_GROUPS: stepGroups,
        EDGE: fragment,
        X_LOADS: (tokens * stepGroups * 4) / invocations,
        GROUP_LOADS: (rows * stepGroups) / invocations,
      },
    }),
    workgroups: (use, count) => [Math.ceil(use.rows / rows), 1, Math.ceil(count / tokens)],
  };
}

function flagsOf(use: MatmulUse): string[] {
  return [
    ...(use.bias ? ['bias'] : []),
    ...(use.residual ? ['residual'] : []),
    ...(use.gated ? ['gated'] : []),
  ];
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
    { name: 'y', type: 'array<Y>', access: 'read_write' },
    { name: 'bias', type: 'array<f32>', access: 'read', when: (use) => use.bias === true },
  ],
  variants: [
    serial,
    tiled(4),
    tiled(8),
    matrix({ tokenFragments: 1, rowFragments: 2, stepGroups: 2, ahead: true }),
    matrix({ tokenFragments: 2, rowFragments: 2, stepGroups: 2, ahead: true }),
    matrix({ tokenFragments: 2, rowFragments: 4, stepGroups: 1 }),
    matrix({ tokenFragments: 4, rowFragments: 4, stepGroups: 1 }),
    matrix({ tokenFragments: 4, rowFragments: 2, rowSubgroups: 4, stepGroups: 2, ahead: true }),
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    const { rows } = use;
    return [
      tileOf(use, use.leastTokens ?? 0),
      'matrix-64x64',
      rows < 8192 ? 'tiled-64' : 'tiled-128',
      'tiled-64',
      'serial',
    ];
  },
});
