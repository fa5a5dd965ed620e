import type { Capabilities } from '../gpu/capabilities.ts';
import {
  defineKernel,
  findVariant,
  type Kernel,
  type KernelVariant,
  spread,
} from '../gpu/kernel.ts';
import type { ShaderOptions } from '../gpu/wgsl-linker.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';
import { basisConstants, headWidthsBinding, raggedConstants, raggedFlags } from './head-widths.ts';
import type { WholeKv } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import {
  asksNow,
  fixedShape,
  type LaneShape,
  rowsOfShape,
  shapeConstants,
  shapeFlags,
  shapeFor,
  shapeName,
  shapeUnsupported,
  shuffleShape,
} from './matvec.ts';
import { turnsWholeUnits } from './turn-quads.ts';

/**
 * One use of `qkv`: x [columns] → queries [heads, headDim] and one position of the K and V caches
 * [kvHeads, contextLength, headDim], by weights [(heads + 2·kvHeads) · headDim, columns].
 */
export interface QkvUse {
  format: QuantFormat;
  columns: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  ropeDimensions: number;
  interleaved: boolean;
  kv: WholeKv;
  normEpsilon: number;
  bias: boolean;
  /** Key and value are put at the first position: on their way to the cache. */
  staged?: boolean;
  /**
   * The caches are those of MatryoshkaKV, whose widths `head_widths` says: queries and keys become coefficients of the `basis` of keys, with
   * zeros at the end of queries.
   */
  ragged?: boolean;
  /**
   * With `ragged`: so many workgroups share a head. Each leaves what its components add to the head's coefficients in `queries`
   * [parts, heads + kvHeads, headDim]; what reads them adds them up.
   */
  parts?: number;
}

/** Uniforms hold at least 64 KiB: the bias lies in one, since eight storage buffers are all that every device must have. */
const maxBiasRows = 16_384;

function variant(shape: LaneShape): KernelVariant<QkvUse> {
  return {
    name: shapeName(shape),
    unsupported: (use, capabilities) => {
      if (isRagged(use) && !use.parts) return 'makes parts of heads';
      if (use.parts && !leavesParts(shape, use)) return 'shares no heads';
      return shapeUnsupported(shape, use, capabilities);
    },
    options: (use) => qkvOptions(use, shapeFor(shape, use.format)),
    workgroups: (use) => spread(Math.ceil(rowsOf(use) / rowsOfShape(shapeFor(shape, use.format)))),
  };
}

/** A workgroup a head, for ragged caches. */
const heads: KernelVariant<QkvUse> = {
  name: 'heads',
  unsupported: (use, capabilities) => {
    if (!isRagged(use) || use.parts || weightsOf(use) >= maxHeadWeights)
      return 'makes whole heads, of few weights';
    return shapeUnsupported(headShape(use), use, capabilities);
  },
  options: (use) => qkvOptions(use, shapeFor(headShape(use), use.format)),
  workgroups: (use) => spread(use.heads + 2 * use.kvHeads),
};

const headLanes = 4;
/** More of them take so few workgroups longer than kv-project takes behind a projection: 10 µs a layer of Llama-3.1-8B on an H200. */
const maxHeadWeights = 2 ** 23;

/** As few turns as its invocations can take, in as few of them as that takes; four runs at least, so that a vector of the basis has a set. */
function headShape({ columns, headDim, format: { run = 1 } }: QkvUse): LaneShape {
  const groups = Math.ceil(columns / groupElements / headLanes);
  const wanted = Math.max(4, Math.ceil(groups / Math.ceil(groups / 8)));
  // Halved by shapeFor where a lane takes two groups at a time.
  const splits = Math.ceil(wanted / run) * run;
  return fixedShape(headLanes, headLanes, splits, headDim * splits);
}

/** In how many parts a projection into narrow caches leaves coefficients where attention can add them up: 1 where it makes whole heads. */
export function qkvParts(use: QkvUse, capabilities: Capabilities): number {
  const shapes = [preferredFixedShape(use), smallSubgroups];
  const counts = shapes
    .map((shape) => partsOfShape(shape, use))
    .filter((parts) => Number.isInteger(parts) && parts > 1);
  return counts.find((parts) => findVariant(qkv, { ...use, parts }, capabilities) !== null) ?? 1;
}

/** Components of a part at least. */
export const leastPart = 8;

function partsOfShape(shape: LaneShape, { format, headDim }: QkvUse): number {
  return headDim / rowsOfShape(shapeFor(shape, format));
}

function leavesParts(shape: LaneShape, use: QkvUse): boolean {
  const { fixed, workgroup } = shape;
  return fixed === true && use.parts === partsOfShape(shape, use) && workgroup >= use.headDim;
}

function qkvOptions(use: QkvUse, shape: LaneShape): ShaderOptions {
  const { rows, reduce, fixed } = shape;
  return {
    choices: { quant: use.format.name, kv: use.kv, reduce },
    flags: [
      ...shapeFlags(shape),
      ...(fixed ? ['norm'] : []),
      ...(asksNow(shape, use.columns) ? ['now'] : []),
      ...(use.interleaved ? ['interleaved'] : []),
      ...(use.staged ? ['staged'] : []),
      ...(use.bias ? ['bias'] : []),
      ...raggedFlags(use),
      ...(use.parts ? ['parts'] : []),
    ],
    constants: {
      ...shapeConstants(shape, use),
      SUMS: fixed ? rows : rows + 1,
      HEAD_DIM_VEC4S: use.headDim / 4,
      ...(use.bias ? { BIAS_VEC4S: rowsOf(use) / 4 } : {}),
      ...raggedConstants(use),
      ...(isRagged(use) ? basisConstants(use.headDim, rowsOfShape(shape), shape.workgroup) : {}),
    },
  };
}

/** The shapes that won on an H200, by the number of weights: see matvec. */
const shapes = {
  small: shuffleShape(4, 1, 8),
  middle: shuffleShape(16, 4, 4),
  large: shuffleShape(4, 4, 8),
} as const;

const fixedShapes = {
  small: fixedShape(8, 4, 4),
  large: { ...fixedShape(8, 4, 4, 256), pairs: true },
} as const;
/** Subgroups of 4, which software adapters have: chosen where heads come in parts alone. */
const smallSubgroups = fixedShape(4, 4, 4, 64);

function isRagged({ ragged }: QkvUse): boolean {
  return ragged === true;
}

function rowsOf({ heads, kvHeads, headDim }: QkvUse): number {
  return (heads + 2 * kvHeads) * headDim;
}

function weightsOf(use: QkvUse): number {
  return rowsOf(use) * use.columns;
}

function preferredFixedShape(use: QkvUse): LaneShape {
  return weightsOf(use) < 2 ** 22 ? fixedShapes.small : fixedShapes.large;
}

function preferredShape(use: QkvUse): LaneShape {
  const weights = weightsOf(use);
  if (weights < 2 ** 21) return shapes.small;
  return weights < 2 ** 23 ? shapes.middle : shapes.large;
}

/** Can this model's queries, keys and values be made in one dispatch? */
export function canFuseQkv(use: QkvUse, capabilities: Capabilities): boolean {
  return (
    turnsWholeUnits(use) &&
    (!use.bias || rowsOf(use) <= maxBiasRows) &&
    findVariant(qkv, use, capabilities) !== null
  );
}

/** RMSNorm, projection, RoPE and the write into the KV cache for one token. */
export const qkv: Kernel<QkvUse> = defineKernel<QkvUse>({
  name: 'qkv',
  library: languageShaders,
  shader: 'matmul/qkv',
  params: {
    columns: 'u32',
    groups: 'u32',
    row_vec4s: 'u32',
    heads: 'u32',
    kv_heads: 'u32',
    context_length: 'u32',
    rope_dimensions: 'u32',
    epsilon: 'f32',
  },
  paramValues: (use) => ({
    columns: use.columns,
    groups: Math.ceil(use.columns / groupElements),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    heads: use.heads,
    kv_heads: use.kvHeads,
    context_length: use.contextLength,
    rope_dimensions: use.ropeDimensions,
    epsilon: use.normEpsilon,
  }),
  bindings: [
    {
      name: 'state',
      type: 'State',
      access: 'read',
      // How it begins. One storage buffer less: eight are all that every device must have.
      of: (use) => (isRagged(use) ? { type: 'vec4<u32>', access: 'uniform' } : {}),
    },
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'norm_weight', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    {
      name: 'queries',
      type: 'array<vec4<f32>>',
      access: 'read_write',
      of: ({ parts }) => (parts ? { type: 'array<f32>' } : {}),
    },
    { name: 'k_cache', type: 'array<Stored>', access: 'read_write', when: (use) => !use.parts },
    { name: 'v_cache', type: 'array<Stored>', access: 'read_write' },
    {
      name: 'bias',
      type: 'array<vec4<f32>, BIAS_VEC4S>',
      access: 'uniform',
      when: (use) => use.bias,
    },
    { name: 'basis', type: 'array<vec2<u32>>', access: 'read', when: isRagged },
    headWidthsBinding,
  ],
  variants: [
    variant({ workgroup: 16, lanes: 1, rows: 8, splits: 1, reduce: 'none' }),
    variant({ workgroup: 64, lanes: 64, rows: 8, splits: 1, reduce: 'workgroup' }),
    ...Object.values(shapes).map(variant),
    ...Object.values(fixedShapes).map(variant),
    variant(smallSubgroups),
    heads,
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    if (use.parts) return [preferredFixedShape(use), smallSubgroups].map(shapeName);
    if (isRagged(use)) return [heads.name];
    const shapesByRank = [preferredFixedShape(use), preferredShape(use), shapes.small];
    return [...shapesByRank.map(shapeName), 'workgroup'];
  },
});
