import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant, spread } from '../gpu/kernel.ts';
import type { ShaderOptions } from '../gpu/wgsl-linker.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';

export type Activation = 'silu' | 'gelu_tanh';

/** One use of `matvec`: y[rows] = weights[rows, columns] · x[columns]. */
export interface MatvecUse {
  format: QuantFormat;
  rows: number;
  columns: number;
  /** First element of y that is written. */
  yOffset?: number;
  /** RMS-normalize x on the way with this epsilon and `norm_weight`. */
  normEpsilon?: number;
  /** The matrix holds [gate; up], 2·rows in all: y = activation(gate) · up. */
  gated?: Activation;
  bias?: boolean;
  /** y += instead of y =. */
  residual?: boolean;
  /** x is the last row of the pass, by `state`. */
  lastRow?: boolean;
}

interface MatvecShape {
  workgroup: number;
  /** Invocations that share a row. */
  lanes: number;
  /** Rows of an invocation. */
  rows: number;
  reduce: 'none' | 'workgroup' | 'shuffle';
}

function variant(name: string, shape: MatvecShape): KernelVariant<MatvecUse> {
  const rowsPerWorkgroup = (shape.workgroup / shape.lanes) * shape.rows;
  return {
    name,
    unsupported: (_, { minSubgroupSize }) =>
      shape.reduce === 'shuffle' && minSubgroupSize < shape.lanes
        ? `needs subgroups of at least ${shape.lanes}`
        : null,
    options: (use) => matvecOptions(use, shape),
    workgroups: (use) => spread(Math.ceil(use.rows / rowsPerWorkgroup)),
  };
}

/** Lanes that share a row within a subgroup, most first: the largest that the adapter's subgroups hold is taken. */
export const shuffleLanes: readonly number[] = [32, 16, 8, 4];
const shuffleRows = [1, 4];
const tallRows = 8192;

function shuffleName(lanes: number, rows: number): string {
  return `shuffle-${lanes}x${rows}`;
}

function shuffle(lanes: number, rows: number): KernelVariant<MatvecUse> {
  return variant(shuffleName(lanes, rows), { workgroup: 64, lanes, rows, reduce: 'shuffle' });
}

function matvecOptions(use: MatvecUse, shape: MatvecShape): ShaderOptions {
  const flags: string[] = [];
  if (shape.reduce === 'shuffle') flags.push('subgroups');
  if (use.normEpsilon !== undefined) flags.push('norm');
  if (use.gated) flags.push('gated');
  if (use.bias) flags.push('bias');
  if (use.residual) flags.push('residual');
  if (use.lastRow) flags.push('last_row');
  const sums = shape.rows * (use.gated ? 2 : 1) + (use.normEpsilon === undefined ? 0 : 1);
  return {
    choices: {
      quant: use.format.name,
      reduce: shape.reduce,
      ...(use.gated ? { activation: use.gated } : {}),
    },
    flags,
    constants: { WORKGROUP: shape.workgroup, LANES: shape.lanes, ROWS: shape.rows, SUMS: sums },
  };
}

/** Matrix · vector for decoding, with what surrounds it in a transformer block fused in. */
export const matvec: Kernel<MatvecUse> = defineKernel<MatvecUse>({
  name: 'matvec',
  library: languageShaders,
  shader: 'matmul/matvec',
  params: {
    rows: 'u32',
    columns: 'u32',
    groups: 'u32',
    row_vec4s: 'u32',
    y_offset: 'u32',
    epsilon: 'f32',
  },
  paramValues: (use) => ({
    rows: use.rows,
    columns: use.columns,
    groups: Math.ceil(use.columns / groupElements),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    y_offset: use.yOffset ?? 0,
    epsilon: use.normEpsilon ?? 0,
  }),
  bindings: [
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'y', type: 'array<f32>', access: 'read_write' },
    {
      name: 'norm_weight',
      type: 'array<vec4<f32>>',
      access: 'read',
      when: (use) => use.normEpsilon !== undefined,
    },
    { name: 'bias', type: 'array<f32>', access: 'read', when: (use) => use.bias === true },
    { name: 'state', type: 'State', access: 'read', when: (use) => use.lastRow === true },
  ],
  variants: [
    variant('serial', { workgroup: 16, lanes: 1, rows: 1, reduce: 'none' }),
    variant('workgroup', { workgroup: 64, lanes: 64, rows: 4, reduce: 'workgroup' }),
    ...shuffleLanes.flatMap((lanes) => shuffleRows.map((rows) => shuffle(lanes, rows))),
  ],
  preferred: (use, { software }: Capabilities) => {
    if (software) return ['serial'];
    // Short matrices need all the parallelism there is; tall ones gain more from reading x once for several rows.
    const rows = use.rows >= tallRows ? 4 : 1;
    return [...shuffleLanes.map((lanes) => shuffleName(lanes, rows)), 'workgroup'];
  },
});
