import { quantFormat } from '../quant/registry.ts';
import type { CaseData, KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, randomMatrix, roundedToHalf } from '../testing/weights.ts';
import type { AttentionUse } from './attention.ts';
import { headRowsReference, randomGates } from './head-rows.ref.ts';
import { headShares } from './head-summand.ts';
import { type KeptWidths, packHeadWidths } from './head-widths.ts';
import { isPacked } from './kv-format.ts';
import { packedRows, raggedRows, randomWidths } from './kv-project.ref.ts';
import { packCaches } from './kv-quantize.ref.ts';

export interface AttentionInputs {
  queries: Float32Array;
  keys: Float32Array;
  values: Float32Array;
  position: number;
  tokens: number;
  /** [tokens, heads], where the use is gated. */
  gates?: Float32Array;
  /** Where the use is ragged: values have the mean [kvHeads, headDim] beyond their widths. */
  ragged?: { widths: readonly KeptWidths[]; mean: Float32Array };
}

/** out [tokens, heads, headDim] by a three-pass softmax in double precision. */
export function attentionReference(use: AttentionUse, inputs: AttentionInputs): Float64Array {
  const { heads, headDim } = use;
  const out = new Float64Array(inputs.tokens * heads * headDim);
  for (let token = 0; token < inputs.tokens; token += 1) {
    for (let head = 0; head < heads; head += 1) {
      const gate = inputs.gates?.[token * heads + head] ?? 1;
      const attended = attendHead(use, inputs, token, head).map((value) => value * gate);
      out.set(attended, (token * heads + head) * headDim);
    }
  }
  return out;
}

function attendHead(
  use: AttentionUse,
  inputs: AttentionInputs,
  token: number,
  head: number,
): Float64Array {
  const { heads, kvHeads, headDim, contextLength, scale, window } = use;
  const position = inputs.position + token;
  const first = window > 0 ? Math.max(0, position + 1 - window) : 0;
  const kvBase = Math.floor(head / (heads / kvHeads)) * contextLength;
  const at = (token * heads + head) * headDim;
  const scores: number[] = [];
  for (let key = first; key <= position; key += 1) {
    let score = 0;
    for (let i = 0; i < headDim; i += 1) {
      const stored = inputs.keys[(kvBase + key) * headDim + i] ?? 0;
      score += (inputs.queries[at + i] ?? 0) * stored * scale;
    }
    scores.push(score);
  }
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const out = new Float64Array(headDim);
  weights.forEach((weight, index) => {
    for (let i = 0; i < headDim; i += 1) {
      const stored = valueAt(use, inputs, head, first + index, i);
      out[i] = (out[i] ?? 0) + (weight / total) * stored;
    }
  });
  return out;
}

/** Component i of what a query head sees of the value at a position. */
export function valueAt(
  { heads, kvHeads, headDim, contextLength }: AttentionUse,
  { values, ragged }: AttentionInputs,
  head: number,
  position: number,
  i: number,
): number {
  const kvHead = Math.floor(head / (heads / kvHeads));
  const width = ragged?.widths[kvHead]?.values ?? headDim;
  if (i >= width) return ragged?.mean[kvHead * headDim + i] ?? 0;
  return values[(kvHead * contextLength + position) * headDim + i] ?? 0;
}

/** Scores below this stand for "no key": an empty part has it as its maximum. */
const noScore = -1.0e30;

/** A head over some positions: its output before it is divided by the sum, exponents to base 2 as in the kernel. */
export function attendPart(
  use: AttentionUse,
  inputs: AttentionInputs,
  head: number,
  positions: readonly number[],
): { output: Float64Array; maximum: number; sum: number } {
  const { headDim, contextLength, scale } = use;
  const { queries, keys } = inputs;
  const base = Math.floor(head / (use.heads / use.kvHeads)) * contextLength;
  const scores = positions.map((position) => {
    const products = range(0, headDim).map(
      (i) => (queries[head * headDim + i] ?? 0) * (keys[(base + position) * headDim + i] ?? 0),
    );
    return products.reduce((sum, product) => sum + product, 0) * scale * Math.LOG2E;
  });
  const maximum = Math.max(noScore, ...scores);
  const weights = scores.map((score) => 2 ** (score - maximum));
  const output = Float64Array.from({ length: headDim }, (_, i) =>
    weights.reduce(
      (sum, weight, j) => sum + weight * valueAt(use, inputs, head, positions[j] ?? 0, i),
      0,
    ),
  );
  return { output, maximum, sum: weights.reduce((sum, weight) => sum + weight, 0) };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** A use with random queries and a filled cache, as the kernel and as the reference see them. */
export function attentionCase(
  change: Partial<AttentionUse>,
  position: number,
  tokens: number,
  spread = 1,
): { use: AttentionUse; inputs: AttentionInputs; buffers: Record<string, CaseData> } {
  const use: AttentionUse = {
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    contextLength: position + tokens + 3,
    scale: 0.25,
    window: 0,
    kv: 'f32',
    ...change,
  };
  const random = new Random(700 + position + tokens);
  const cache = use.kvHeads * use.contextLength * use.headDim;
  const scaled = (count: number) => random.activations(count).map((value) => value * spread);
  const widths = use.ragged ? widthsFor(use) : undefined;
  const cut = (rows: Float32Array<ArrayBuffer>, part: 'keys' | 'values') =>
    widths ? raggedRows(use, widths, rows, part) : rows;
  const keys = cut(scaled(cache), 'keys');
  const values = cut(random.activations(cache, 3), 'values');
  const f16 = use.kv === 'f16';
  const { kv } = use;
  const packed = isPacked(kv) ? packCaches({ ...use, kv }, widths, { keys, values }) : undefined;
  const mean = random.activations(use.kvHeads * use.headDim);
  const widthOf = (i: number) => {
    const head = Math.floor(i / use.headDim) % use.heads;
    return widths?.[Math.floor((head * use.kvHeads) / use.heads)]?.keys ?? use.headDim;
  };
  const queries = scaled(tokens * use.heads * use.headDim);
  const inputs: AttentionInputs = {
    queries: queries.map((value, i) => (i % use.headDim < widthOf(i) ? value : 0)),
    // The reference sees what the cache holds.
    keys: packed?.keys ?? (f16 ? roundedToHalf(keys) : keys),
    values: packed?.values ?? (f16 ? roundedToHalf(values) : values),
    position,
    tokens,
    ...(use.gated ? { gates: randomGates(tokens * use.heads) } : {}),
    ...(widths ? { ragged: { widths, mean } } : {}),
  };
  const stored = (rows: Float32Array<ArrayBuffer>, part: 'keys' | 'values') => {
    const kept = widths ? packedRows(use, widths, rows, part) : rows;
    return f16 ? asHalves(kept) : kept;
  };
  return {
    use,
    inputs,
    buffers: {
      ...(widths ? { head_widths: packHeadWidths(widths), mean } : {}),
      ...(inputs.gates ? { gates: Float32Array.from(inputs.gates) } : {}),
      ...(inputs.gates && use.many
        ? { head_rows: headRowsReference(inputs.gates, use.heads) }
        : {}),
      state: Uint32Array.of(position, tokens, 0, 0, 0),
      queries: use.parts
        ? partsOf(use, [...queries, ...newestKeys(use, keys, position)], random)
        : Float32Array.from(inputs.queries),
      ...(packed?.buffers ?? {
        // The newest key is not there yet where it comes in parts.
        k_cache: stored(use.parts ? withoutNewest(use, keys, position) : keys, 'keys'),
        v_cache: stored(values, 'values'),
      }),
    },
  };
}

function widthsFor(use: AttentionUse): KeptWidths[] {
  const most = (half = false) => use.headDim / (half ? 2 : 1);
  return randomWidths(use).map(({ keys, values }) => ({
    keys: Math.min(keys, most(use.halfKeys)),
    values: Math.min(values, most(use.halfValues)),
  }));
}

function newestKeys(
  { kvHeads, headDim, contextLength }: AttentionUse,
  keys: Float32Array,
  position: number,
): number[] {
  return Array.from({ length: kvHeads }, (_, head) => {
    const at = (head * contextLength + position) * headDim;
    return [...keys.subarray(at, at + headDim)];
  }).flat();
}

function withoutNewest(
  { headDim, contextLength }: AttentionUse,
  keys: Float32Array<ArrayBuffer>,
  position: number,
): Float32Array<ArrayBuffer> {
  return keys.map((key, i) =>
    Math.floor(i / headDim) % contextLength === position ? Number.NaN : key,
  );
}

/** Random parts [parts, rows] of what they sum up to. */
function partsOf(
  { parts = 1 }: AttentionUse,
  sums: readonly number[],
  random: Random,
): Float32Array<ArrayBuffer> {
  const left = Float64Array.from(sums);
  const all = Array.from({ length: parts }, (_, part) => {
    if (part === parts - 1) return [...left];
    const own = random.activations(sums.length);
    own.forEach((value, i) => {
      left[i] = (left[i] ?? 0) - value;
    });
    return [...own];
  });
  return Float32Array.from(all.flat());
}

/** What the cache holds of all keys, as stored. */
export function cachedKeys(
  use: AttentionUse,
  { keys, ragged }: AttentionInputs,
): Float64Array<ArrayBuffer> {
  const rows = Float64Array.from(keys);
  return ragged ? packedRows(use, ragged.widths, rows, 'keys') : rows;
}

/** Of the output projection, in a case. */
const summandRows = 96;

/** A head's share of the output projection of so many heads, [heads · shares, rows], of outputs [heads · shares, headDim]. */
export function summandsReference(
  { heads, headDim }: Pick<AttentionUse, 'heads' | 'headDim'>,
  weights: Float64Array,
  outputs: Float64Array,
): Float64Array {
  const columns = heads * headDim;
  const rows = weights.length / columns;
  const shares = outputs.length / columns;
  return Float64Array.from({ length: heads * shares * rows }, (_, i) => {
    const [summand, row] = [Math.floor(i / rows), i % rows];
    const head = Math.floor(summand / shares);
    let sum = 0;
    for (let d = 0; d < headDim; d += 1) {
      const weight = weights[row * columns + head * headDim + d] ?? 0;
      sum += weight * (outputs[summand * headDim + d] ?? 0);
    }
    return sum;
  });
}

/** The same where workgroups share a head's keys: (maximum, sum) of each behind the summands. */
function sharedSummandsReference(
  use: AttentionUse,
  weights: Float64Array,
  inputs: AttentionInputs,
): Float64Array {
  const { heads, window } = use;
  const end = inputs.position + 1;
  const first = window > 0 ? Math.max(0, end - window) : 0;
  const span = Math.ceil((end - first) / headShares);
  const shares = range(0, heads * headShares).map((i) => {
    const head = Math.floor(i / headShares);
    const gate = inputs.gates?.[head] ?? 1;
    const from = first + (i % headShares) * span;
    const part = attendPart(use, inputs, head, range(from, Math.min(end, from + span)));
    const scale = gate === 0 ? [0, 1] : [part.maximum, part.sum];
    return { output: part.output.map((value) => value * gate), scale };
  });
  const outputs = Float64Array.from(shares.flatMap(({ output }) => [...output]));
  return Float64Array.of(
    ...summandsReference(use, weights, outputs),
    ...shares.flatMap(({ scale }) => scale),
  );
}

/** One token whose heads leave summands of an output projection of this format. */
function summandCase(
  name: string,
  formatName: string,
  change: Partial<AttentionUse>,
  position: number,
  shared = false,
): KernelCase<AttentionUse> {
  const format = quantFormat(formatName);
  const summand = { format, rows: summandRows, shared };
  const { use, inputs, buffers } = attentionCase({ ...change, summand }, position, 1);
  const matrix = randomMatrix(format, summandRows, use.heads * use.headDim, 740 + position);
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ ...buffers, weights: matrix.gpu }),
    outputs: () => {
      const values = shared
        ? sharedSummandsReference(use, matrix.values, inputs)
        : summandsReference(use, matrix.values, attentionReference(use, inputs));
      return { summands: { values } };
    },
  };
}

function toCase(
  name: string,
  change: Partial<AttentionUse>,
  position: number,
  tokens: number,
  spread = 1,
): KernelCase<AttentionUse> {
  const { use, inputs, buffers } = attentionCase(change, position, tokens, spread);
  return {
    name,
    use,
    rows: tokens,
    inputs: () => buffers,
    outputs: () => ({
      out: { values: attentionReference(use, inputs), storage: use.output ?? 'f32' },
    }),
    ...(use.kv === 'f16'
      ? { tolerance: { nmse: 1e-6, because: 'queries and probabilities may be rounded to halves' } }
      : {}),
  };
}

const gatedMany = { gated: true, many: true } as const;
const many = { kv: 'f16', many: true, output: 'f16' } as const;
const long = { headDim: 64, scale: 0.125, contextLength: 214 } as const;

export const attentionCases: readonly KernelCase<AttentionUse>[] = [
  toCase('the first token', {}, 0, 1),
  toCase('decode, one KV head', { kvHeads: 1 }, 130, 1),
  toCase('prefill, three KV heads', { heads: 9, kvHeads: 3, headDim: 64, scale: 0.125 }, 0, 37),
  toCase('prefill behind a cache, no groups', { heads: 2, kvHeads: 2, headDim: 80 }, 127, 5),
  toCase('block + 1 positions', { headDim: 32, contextLength: 132 }, 128, 1),
  toCase('sliding window', { window: 7, headDim: 96 }, 20, 9),
  toCase('window longer than the past', { window: 512 }, 3, 4),
  toCase('half-precision cache', { kv: 'f16', headDim: 128, scale: 0.088 }, 61, 3),
  toCase('scores far apart', {}, 150, 4, 8),
  // As long a context as that of another case: they share shaders, whose tiles take seconds to compile on a software adapter.
  toCase('many rows behind a cache', { headDim: 32, contextLength: 132 }, 21, 65),
  toCase('rows past a sliding window', { headDim: 64, window: 20 }, 50, 40),

  toCase('many tokens', { heads: 9, kvHeads: 3, headDim: 64, scale: 0.125, ...many }, 0, 130),
  toCase('many behind a cache', { ...long, ...many }, 70, 65),
  toCase('many, windows', { headDim: 64, scale: 0.125, window: 20, ...many }, 50, 90),
  toCase('many, head of 80', { headDim: 80, scale: 0.11, ...many }, 3, 70),
  toCase('many, head of 128', { headDim: 128, scale: 0.088, ...many }, 33, 64),
  toCase('many, scores far apart', { ...long, ...many }, 11, 200, 2.5),
  toCase(
    'many, scores far apart, far behind',
    { headDim: 64, scale: 0.125, ...many },
    400,
    40,
    2.5,
  ),
  toCase('gated heads', { heads: 8, headDim: 32, gated: true }, 140, 1),
  toCase('gated heads of many tokens', { heads: 8, headDim: 64, gated: true }, 3, 20),
  toCase('gated heads, many', { heads: 8, headDim: 64, scale: 0.125, gated: true, ...many }, 9, 70),
  toCase(
    'gated heads, many in a window',
    { heads: 8, headDim: 64, window: 30, gated: true, ...many },
    40,
    150,
  ),
  toCase('ragged, three KV heads', { heads: 9, kvHeads: 3, headDim: 64, ragged: true }, 150, 1),
  toCase('ragged, gated, behind a cache', { headDim: 32, ragged: true, gated: true }, 40, 7),
  toCase(
    'ragged, widths of all kinds',
    { heads: 7, kvHeads: 7, headDim: 32, ragged: true },
    300,
    1,
  ),
  toCase('ragged, halves', { headDim: 64, kv: 'f16', ragged: true, window: 50 }, 90, 3),
  toCase('ragged, half of the keys', { headDim: 32, ragged: true, halfKeys: true }, 300, 1),
  toCase('ragged, many', { heads: 8, headDim: 64, scale: 0.125, ...many, ragged: true }, 30, 70),
  toCase(
    'ragged, gated, many',
    { heads: 8, headDim: 64, scale: 0.125, gated: true, ragged: true, ...many },
    9,
    70,
  ),
  toCase('bytes', { heads: 9, kvHeads: 3, headDim: 64, kv: 'q8_0' }, 150, 1),
  toCase(
    'bytes, gated, many in a window',
    { headDim: 32, kv: 'q8_0', window: 30, ...gatedMany },
    40,
    9,
  ),
  toCase('ragged, bytes', { heads: 9, kvHeads: 3, headDim: 64, kv: 'q8_0', ragged: true }, 150, 1),
  toCase(
    'ragged, half bytes, gated',
    { headDim: 128, kv: 'q4_0', ragged: true, ...gatedMany },
    40,
    9,
  ),
  toCase('half bytes', { headDim: 128, scale: 0.088, kv: 'q4_0' }, 130, 3),
  toCase('half bytes, head of 96', { headDim: 96, scale: 0.1, kv: 'q4_0' }, 70, 2),
  summandCase('summands', 'q4_0', { heads: 9, kvHeads: 3, headDim: 32 }, 130),
  summandCase('summands of gated heads', 'q8_0', { heads: 8, headDim: 32, gated: true }, 40),
  summandCase('shared heads', 'q4_0', { heads: 9, kvHeads: 3, headDim: 32 }, 130, true),
  summandCase('shared, the first token', 'q4_0', { heads: 6, headDim: 32 }, 0, true),
  summandCase(
    'shared, gated heads of ragged caches, a window',
    'q8_0',
    { heads: 8, headDim: 32, gated: true, ragged: true, window: 50 },
    90,
    true,
  ),
  toCase('wide heads', { heads: 2, kvHeads: 1, headDim: 256, scale: 1 / 16 }, 40, 2),
];
