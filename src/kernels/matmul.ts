import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { ShaderOptions } from '../gpu/wgsl-linker.ts';
import { groupElements, halfModule, type QuantFormat, rowLayout } from '../quant/format.ts';
import type { Activation } from './matvec.ts';

/** One use of `matmul`: y[tokens, rows] = x[tokens, columns] · weights[rows, columns]ᵀ. */
export interface MatmulUse {
  format: QuantFormat;
  rows: number;
  columns: number;
  /** How x is stored, and y where it is gated. */
  activations: 'f32' | 'f16';
  /** Elements from one token's outputs to the next one's. */
  yStride: number;
  /** First element of a token's outputs that is written. */
  yOffset?: number;
  /** The matrix holds [gate; up], 2·rows in all: y = activation(gate) · up. */
  gated?: Activation;
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
  unsupported: floatOutputOnly,
  options: (use) => ({
    choices: choicesOf(use),
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
  unsupported: (use, { workgroupInvocations }) =>
    workgroupInvocations < 256 ? 'needs workgroups of 256' : floatOutputOnly(use),
  options: (use) => ({ choices: choicesOf(use), flags: ['tiled', ...flagsOf(use)] }),
  workgroups: (use, tokens) => [Math.ceil(matrixRows(use) / tile), 1, Math.ceil(tokens / tile)],
};

interface MatrixShape {
  tokens: number;
  rows: number;
  /** Groups of 32 columns that lie in workgroup memory at a time. */
  stepGroups: number;
}

const matrixWorkgroup = 128;
/** Edge of the fragments that subgroups multiply. */
const fragment = 16;

function matrix(name: string, shape: MatrixShape): KernelVariant<MatmulUse> {
  return {
    name,
    unsupported: (use, capabilities) =>
      use.activations === 'f16' ? matrixUnsupported(capabilities) : 'reads halves',
    options: (use) => ({
      choices: { ...choicesOf(use), half: halfModule(use.format) },
      flags: ['matrix', 'f16', 'subgroups', 'subgroup_matrix', ...flagsOf(use)],
      constants: {
        WORKGROUP: matrixWorkgroup,
        TILE_TOKENS: shape.tokens,
        TILE_ROWS: shape.rows,
        STEP_GROUPS: shape.stepGroups,
        EDGE: fragment,
      },
    }),
    workgroups: (use, tokens) => [
      Math.ceil(matrixRows(use) / shape.rows),
      1,
      Math.ceil(tokens / shape.tokens),
    ],
  };
}

/** Why the matrix variants do not run on an adapter, or null. */
export function matrixUnsupported({
  f16,
  subgroupMatrix,
  minSubgroupSize,
  maxSubgroupSize,
  workgroupStorageBytes,
}: Capabilities): string | null {
  if (!f16 || !subgroupMatrix) return 'needs shader-f16 and subgroup matrices';
  if (minSubgroupSize !== 32 || maxSubgroupSize !== 32) return 'needs subgroups of 32';
  return workgroupStorageBytes < 40_000 ? 'needs 40 KB of workgroup memory' : null;
}

function floatOutputOnly(use: MatmulUse): string | null {
  return halfOutput(use) ? 'writes single precision only' : null;
}

function halfOutput(use: MatmulUse): boolean {
  return use.gated !== undefined && use.activations === 'f16';
}

/** Rows of the matrix. */
function matrixRows(use: MatmulUse): number {
  return use.gated ? 2 * use.rows : use.rows;
}

function choicesOf(use: MatmulUse): NonNullable<ShaderOptions['choices']> {
  return {
    quant: use.format.name,
    x: use.activations,
    ...(use.gated ? { activation: use.gated } : {}),
  };
}

function flagsOf(use: MatmulUse): string[] {
  return [
    ...(use.gated ? ['gated'] : []),
    ...(halfOutput(use) ? ['half_output'] : []),
    ...(use.bias ? ['bias'] : []),
    ...(use.residual ? ['residual'] : []),
  ];
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
    { name: 'x', type: 'array<Stored>', access: 'read' },
    { name: 'y', type: 'array<Output>', access: 'read_write' },
    { name: 'bias', type: 'array<f32>', access: 'read', when: (use) => use.bias === true },
  ],
  variants: [
    serial,
    tiled,
    matrix('matrix-64', { tokens: 64, rows: 64, stepGroups: 2 }),
    matrix('matrix-128', { tokens: 128, rows: 128, stepGroups: 1 }),
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    if (use.activations === 'f32') return ['tiled', 'serial'];
    return [matrixRows(use) >= 4096 ? 'matrix-128' : 'matrix-64'];
  },
});
