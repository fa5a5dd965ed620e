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
  /** x is made of heads of so many columns, a multiple of 32: columns of heads whose `gates` are 0 are passed over, since x is 0 there. */
  headColumns?: number;
  /** x is the last row of the pass, by `state`. */
  lastRow?: boolean;
  /** So many rows of `summands` are added to x on the way, and the sum is kept in `x_sum`: what the heads of `attention` left. */
  summands?: number;
  /** Of so many heads, each has left `headShares` rows, of a part of its keys each, with what puts them together behind all (see head-summand). */
  shared?: boolean;
}

/** How a workgroup shares the rows of a matrix; see shaders/lib/lanes.wgsl. */
export interface LaneShape {
  workgroup: number;
  /** Invocations of a set, which share its rows. */
  lanes: number;
  /** Rows of a set. */
  rows: number;
  /** Runs of sets that the columns are cut over. */
  splits: number;
  reduce: 'none' | 'workgroup' | 'shuffle';
  /** x is made whole numbers in workgroup memory first; see shaders/lib/fixed-point.wgsl. */
  fixed?: boolean;
  /** With fixed: the lanes take all columns at once and hold x in registers, while so many blocks of rows pass by; see shaders/lib/held-x.wgsl. */
  blocks?: number;
  /** With blocks: the next block's weights are fetched before this one's are multiplied. */
  ahead?: boolean;
  /** Groups that a lane takes at a time; by format, two where the format or `pairs` says so. */
  run?: number;
  pairs?: boolean;
}

export interface MatrixShape {
  format: QuantFormat;
  columns: number;
  summands?: number;
}

/** Sets of lanes within a subgroup, 32 invocations a split. */
export function shuffleShape(lanes: number, rows: number, splits: number): LaneShape {
  return { workgroup: 32 * splits, lanes, rows, splits, reduce: 'shuffle' };
}

/** The same with x in fixed point. */
export function fixedShape(
  lanes: number,
  rows: number,
  splits: number,
  workgroup: number = 32 * splits,
): LaneShape {
  return { ...shuffleShape(lanes, rows, splits), workgroup, fixed: true };
}

export function shapeName({ reduce, workgroup, lanes, rows, splits, fixed }: LaneShape): string {
  if (reduce === 'none') return 'serial';
  if (reduce === 'workgroup') return 'workgroup';
  return fixed
    ? `fixed-${lanes}x${rows}x${splits}-${workgroup}`
    : `shuffle-${lanes}x${rows}x${splits}`;
}

export function shapeUnsupported(
  shape: LaneShape,
  matrix: MatrixShape,
  capabilities: Capabilities,
): string | null {
  const { minSubgroupSize, workgroupInvocations } = capabilities;
  if (workgroupInvocations < shape.workgroup) return `needs workgroups of ${shape.workgroup}`;
  if (shape.reduce === 'shuffle' && minSubgroupSize < shape.lanes) {
    return `needs subgroups of at least ${shape.lanes}`;
  }
  return shape.fixed ? fixedUnsupported(shape, matrix, capabilities) : null;
}

/** Two bytes an element of x, sums and a scale a run; sums of splits, of two rows where they are gated, and of squares; x with its summands. */
function fixedUnsupported(
  shape: LaneShape,
  { format, columns, summands }: MatrixShape,
  { packedDot, workgroupStorageBytes }: Capabilities,
): string | null {
  if (!packedDot || !format.run) return 'needs products of packed bytes';
  const { workgroup, lanes, rows, blocks, run = 1 } = shape;
  const groups = groupsOf(columns);
  const bytes =
    Math.ceil(groups / run) * (run * 2 * groupElements + 20) +
    (workgroup / lanes) * (2 * rows * (blocks ?? 1) + 2) * 4 +
    (summands ? groups * groupElements * 4 : 0);
  return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
}

/** How often an invocation takes a quarter of a run of x. */
function stagesOf(columns: number, { workgroup, run = 1 }: LaneShape): number {
  return Math.ceil((4 * Math.ceil(groupsOf(columns) / run)) / workgroup);
}

function groupsOf(columns: number): number {
  return Math.ceil(columns / groupElements);
}

export function shapeFlags({ reduce, splits, fixed, blocks, ahead, pairs }: LaneShape): string[] {
  return [
    ...(reduce === 'shuffle' ? ['subgroups'] : []),
    ...(splits > 1 ? ['splits'] : []),
    ...(fixed ? ['fixed'] : []),
    ...(pairs ? ['pairs'] : []),
    ...(blocks ? ['held'] : []),
    ...(ahead ? ['ahead'] : []),
  ];
}

/** Matrices with so few rows or columns take as long as their loads, one behind the other; larger ones were not quicker so. */
const fewEdge = 1024;

/** Are the first weights asked for before x is staged, whatever the driver thinks of it? Of a matrix whose shorter edge is `edge`. */
export function asksNow({ fixed, blocks }: LaneShape, edge: number): boolean {
  return fixed === true && !blocks && edge < fewEdge;
}

/**
 * So few turns are written out one behind the other: nothing is copied from one to the next, and places are known beforehand. In a loop the
 * rest is no slower.
 */
const fewTurns = 7;

/** How a workgroup shares rows of these columns. */
export function shapeConstants(shape: LaneShape, { columns }: MatrixShape): Record<string, number> {
  const { workgroup, lanes, splits, rows, fixed, blocks, run = 1 } = shape;
  const turns = Math.ceil(groupsOf(columns) / (run * lanes * splits));
  return {
    WORKGROUP: workgroup,
    LANES: lanes,
    SPLITS: splits,
    ROWS: rows,
    RUN: run,
    ...(fixed && !blocks ? { CHUNK: turns > fewTurns ? 1 : turns } : {}),
    ...(fixed ? { STAGES: stagesOf(columns, shape) } : {}),
    ...(blocks ? { BLOCKS: blocks, HELD: turns } : {}),
  };
}

/** Rows of a workgroup. */
export function rowsOfShape({ workgroup, lanes, rows, splits, blocks = 1 }: LaneShape): number {
  return (workgroup / lanes / splits) * rows * blocks;
}

/** With the groups that a lane of this format takes at a time. */
function withRun(shape: LaneShape, { run = 1, pairs = false }: QuantFormat): LaneShape {
  const paired = shape.pairs === true && pairs;
  return shape.fixed ? { ...shape, run: paired ? 2 : run, pairs: paired } : shape;
}

/** A lane that takes two groups at a time takes half the rows, of half as many splits: as much is on its way, and as many columns make a turn. */
export function shapeFor(shape: LaneShape, format: QuantFormat): LaneShape {
  const own = withRun(shape, format);
  const { rows, splits, run = 1 } = own;
  return { ...own, rows: Math.max(1, rows / run), splits: Math.max(1, splits / run) };
}

function variantOf(name: string, shapeOf: (use: MatvecUse) => LaneShape): KernelVariant<MatvecUse> {
  return {
    name,
    unsupported: (use, capabilities) => {
      const shape = shapeOf(use);
      if (shape.fixed && use.headColumns) return 'reads what is off';
      if (!shape.fixed && use.summands) return 'adds nothing to x';
      return shapeUnsupported(shape, use, capabilities);
    },
    options: (use) => matvecOptions(use, shapeOf(use)),
    workgroups: (use) => spread(Math.ceil(use.rows / rowsOfShape(shapeOf(use)))),
  };
}

export function matvecVariant(shape: LaneShape): KernelVariant<MatvecUse> {
  return variantOf(shapeName(shape), ({ format }) => shapeFor(shape, format));
}

/** Groups of x that a lane holds, rows of the matrix that pass by it at once and blocks of them at most; subgroups of a workgroup at least. */
const heldGroups = 2;
const heldStreams = 4;
const heldBlocks = 8;
const heldSubgroups = 8;
/** Workgroups that leave no multiprocessor of a large GPU without work. */
const heldWorkgroups = 128;

/** Subgroups of so many lanes whose registers hold x; so many workgroups at least, where there are rows for them. */
export function heldVariant(
  name: string,
  ahead: boolean,
  lanes = 32,
  workgroups: number = heldWorkgroups,
): KernelVariant<MatvecUse> {
  return variantOf(name, ({ format, rows, columns, gated }) => {
    const splits = Math.ceil(groupsOf(columns) / (heldGroups * lanes));
    const sets = Math.ceil(heldSubgroups / splits);
    const rowsOfSet = gated ? heldStreams / 2 : heldStreams;
    const blocks = Math.floor(rows / (sets * rowsOfSet * workgroups));
    const shape: LaneShape = {
      workgroup: lanes * splits * sets,
      lanes,
      rows: rowsOfSet,
      splits,
      reduce: 'shuffle',
      fixed: true,
      pairs: true,
      ahead,
      blocks: Math.min(heldBlocks, Math.max(1, blocks)),
    };
    return withRun(shape, format);
  });
}

/** Rows of a workgroup where all multiprocessors of a large GPU have as many, splits of the columns and lanes, at most. */
const evenRows = 20;
const evenSplits = 5;
const evenLanes = 4;

/** Few rows with gates, evenly: a workgroup stages x for as many as it can, since what heads have left is added up for each. */
function evenShape({ format, rows, columns }: MatvecUse): LaneShape {
  const run = format.run ?? 1;
  const sets = Math.ceil(groupsOf(columns) / run / evenLanes);
  const splits = Math.ceil(sets / Math.ceil(sets / evenSplits));
  const workgroups = heldWorkgroups * Math.ceil(rows / (heldWorkgroups * evenRows));
  const workgroup = evenLanes * splits * Math.ceil(rows / workgroups);
  return withRun(fixedShape(evenLanes, 1, splits, workgroup), format);
}

const onceLanes = 8;

/** All columns in one turn, so that all weights are on their way at once. */
function onceShape({ format, columns }: MatvecUse): LaneShape {
  const run = format.run ?? 1;
  const splits = Math.ceil(groupsOf(columns) / run / onceLanes);
  return withRun(fixedShape(onceLanes, 2, splits), format);
}

/** So many splits at most: of longer rows two turns are as quick. */
const onceSplits = 20;

/**
 * The shapes that won, by the number of weights, among some forty on an H200 (docs/performance-log.md): small matrices need all the
 * parallelism there is; of large ones, x is read once for many rows at a time; of very tall ones every invocation reads a long run of a row.
 */
const shapes = {
  small: shuffleShape(4, 1, 8),
  middle: shuffleShape(16, 4, 4),
  large: shuffleShape(8, 4, 8),
  tall: shuffleShape(2, 4, 4),
  smallGated: shuffleShape(4, 2, 8),
  largeGated: shuffleShape(4, 4, 8),
  hugeGated: shuffleShape(4, 2, 4),
} as const;
/**
 * The same for x in fixed point, among some eighty: several subgroups share what is staged once, and long rows need more of them. A look
 * further ahead is worth it for formats that are taken two groups at a time alone.
 */
const fixedShapes = {
  least: fixedShape(4, 1, 4),
  small: fixedShape(4, 2, 8),
  long: fixedShape(8, 2, 16),
  large: fixedShape(8, 4, 8, 512),
  many: { ...fixedShape(8, 4, 14, 896), pairs: true },
  tall: { ...fixedShape(4, 4, 2, 256), pairs: true },
  tallNarrow: fixedShape(4, 2, 1, 128),
  largeGated: { ...fixedShape(4, 2, 4), pairs: true },
  hugeGated: { ...fixedShape(4, 2, 2, 128), pairs: true },
} as const;
const tallRows = 2 ** 15;
/** So few rows or columns leave multiprocessors without work where a workgroup takes many. */
const few = 768;

function preferredShape({ rows, columns, gated }: MatvecUse): LaneShape {
  const weights = (gated ? 2 * rows : rows) * columns;
  if (gated) {
    if (weights < 2 ** 24) return shapes.smallGated;
    return weights < 2 ** 26 ? shapes.largeGated : shapes.hugeGated;
  }
  if (rows >= tallRows) return shapes.tall;
  if (weights < 2 ** 21) return shapes.small;
  return weights < 2 ** 23 ? shapes.middle : shapes.large;
}

function preferredFixedShape({ rows, columns, gated }: MatvecUse): LaneShape {
  if (gated) {
    const weights = 2 * rows * columns;
    if (weights < 2 ** 24) return fixedShapes.least;
    return weights < 2 ** 26 ? fixedShapes.largeGated : fixedShapes.hugeGated;
  }
  if (rows >= tallRows) return columns < few ? fixedShapes.tallNarrow : fixedShapes.tall;
  if (rows >= 4096) return fixedShapes.large;
  if (rows < few) return fixedShapes.least;
  return columns >= 4096 ? fixedShapes.long : fixedShapes.small;
}

/** What is quicker for tall matrices or for long rows, by format. */
function preferredFirst(use: MatvecUse): string[] {
  const { format, rows, columns, gated } = use;
  if (gated) return 2 * rows * columns < 2 ** 24 ? ['even'] : [];
  if (rows < 4096) {
    const isLong = rows >= few && columns >= 4096;
    return isLong && onceShape(use).splits <= onceSplits ? ['once'] : [];
  }
  if (rows >= tallRows) return format.held?.tall && columns >= 2048 ? ['held-tall'] : [];
  if (columns < 8192) return [];
  if (format.many) return [shapeName(fixedShapes.many)];
  return format.held?.long ? ['held-long'] : [];
}

function matvecOptions(use: MatvecUse, shape: LaneShape): ShaderOptions {
  const flags = shapeFlags(shape);
  if (asksNow(shape, Math.min(use.rows, use.columns))) flags.push('now');
  if (use.normEpsilon !== undefined) flags.push('norm');
  if (use.gated) flags.push('gated');
  if (use.bias) flags.push('bias');
  if (use.residual) flags.push('residual');
  if (use.lastRow) flags.push('last_row');
  if (use.headColumns) flags.push('gated_heads');
  if (use.summands) flags.push('summands');
  if (use.shared) flags.push('shares');
  const streams = shape.rows * (use.gated ? 2 : 1);
  return {
    choices: {
      quant: use.format.name,
      reduce: shape.reduce,
      ...(use.gated ? { activation: use.gated } : {}),
    },
    flags,
    constants: {
      ...shapeConstants(shape, use),
      STREAMS: streams,
      SUMS: streams + (use.normEpsilon === undefined || shape.fixed ? 0 : 1),
      ...(use.summands
        ? { SUMMANDS: use.summands, SUM_TURNS: Math.ceil(use.columns / 4 / shape.workgroup) }
        : {}),
    },
  };
}

function addsSummands({ summands }: MatvecUse): boolean {
  return summands !== undefined;
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
    head_groups: 'u32',
    epsilon: 'f32',
  },
  paramValues: (use) => ({
    rows: use.rows,
    columns: use.columns,
    groups: groupsOf(use.columns),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    y_offset: use.yOffset ?? 0,
    head_groups: Math.max(1, (use.headColumns ?? 0) / groupElements),
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
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => !!use.headColumns },
    { name: 'summands', type: 'array<vec4<f32>>', access: 'read', when: addsSummands },
    { name: 'x_sum', type: 'array<vec4<f32>>', access: 'read_write', when: addsSummands },
  ],
  variants: [
    matvecVariant({ workgroup: 16, lanes: 1, rows: 8, splits: 1, reduce: 'none' }),
    matvecVariant({ workgroup: 64, lanes: 64, rows: 4, splits: 1, reduce: 'workgroup' }),
    ...Object.values(shapes).map(matvecVariant),
    ...Object.values(fixedShapes).map(matvecVariant),
    heldVariant('held-tall', true),
    heldVariant('held-long', false),
    variantOf('even', evenShape),
    variantOf('once', onceShape),
  ],
  preferred: (use, { software }) =>
    software
      ? ['serial']
      : [
          ...preferredFirst(use),
          shapeName(preferredFixedShape(use)),
          shapeName(preferredShape(use)),
          shapeName(shapes.smallGated),
          'workgroup',
        ],
});
