import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { padded } from '../testing/weights.ts';
import { rmsScale } from './reference.ts';
import type { RopeUse } from './rope.ts';
import { ropeTable } from './rope-table.ts';

interface RopeInputs {
  qkv: Float32Array;
  inverseFrequencies: Float64Array;
  magnitude: number;
  position: number;
  tokens: number;
  qNorm: Float32Array;
  kNorm: Float32Array;
}

/** Rotated queries and the caches in double precision; NaN where nothing is written. */
export function ropeReference(
  use: RopeUse,
  inputs: RopeInputs,
): Record<'queries' | 'keys' | 'values', Float64Array<ArrayBuffer>> {
  const { heads, kvHeads, headDim, contextLength } = use;
  const cache = kvHeads * contextLength * headDim;
  const turn = (head: Float64Array, position: number) =>
    rotateHead(use, inputs.inverseFrequencies, head, position, inputs.magnitude);
  const queries = new Float64Array(inputs.tokens * heads * headDim);
  const keys = new Float64Array(cache).fill(Number.NaN);
  const values = new Float64Array(cache).fill(Number.NaN);
  for (let token = 0; token < inputs.tokens; token += 1) {
    const position = inputs.position + token;
    const slot = use.staged ? token : position;
    for (let head = 0; head < heads + 2 * kvHeads; head += 1) {
      const base = (token * (heads + 2 * kvHeads) + head) * headDim;
      const raw = inputs.qkv.subarray(base, base + headDim);
      if (head < heads) {
        const turned = turn(normalize(use, raw, inputs.qNorm), position);
        queries.set(turned, (token * heads + head) * headDim);
      } else if (head < heads + kvHeads) {
        const turned = turn(normalize(use, raw, inputs.kNorm), position);
        keys.set(turned, ((head - heads) * contextLength + slot) * headDim);
      } else {
        values.set(raw, ((head - heads - kvHeads) * contextLength + slot) * headDim);
      }
    }
  }
  return { queries, keys, values };
}

function normalize(use: RopeUse, head: Float32Array, weight: Float32Array): Float64Array {
  if (use.headNormEpsilon === undefined) return Float64Array.from(head);
  const scale = rmsScale(head, use.headNormEpsilon);
  return Float64Array.from(head, (value, i) => value * scale * (weight[i] ?? 0));
}

/** A head turned to a position. */
export function rotateHead(
  use: Pick<RopeUse, 'ropeDimensions' | 'interleaved'>,
  inverseFrequencies: Float64Array,
  head: Float64Array,
  position: number,
  magnitude = 1,
): Float64Array {
  const out = head.slice();
  for (let pair = 0; pair < use.ropeDimensions / 2; pair += 1) {
    const first = use.interleaved ? 2 * pair : pair;
    const second = use.interleaved ? 2 * pair + 1 : pair + use.ropeDimensions / 2;
    const angle = position * (inverseFrequencies[pair] ?? 0);
    const cos = Math.cos(angle) * magnitude;
    const sin = Math.sin(angle) * magnitude;
    const [a, b] = [head[first] ?? 0, head[second] ?? 0];
    out[first] = a * cos - b * sin;
    out[second] = b * cos + a * sin;
  }
  return out;
}

function toCase(
  name: string,
  use: RopeUse,
  position: number,
  tokens: number,
  magnitude = 1,
): KernelCase<RopeUse> {
  const random = new Random(600 + position);
  const { heads, kvHeads, headDim, ropeDimensions, contextLength } = use;
  const inputs: RopeInputs = {
    qkv: random.activations(tokens * (heads + 2 * kvHeads) * headDim),
    inverseFrequencies: Float64Array.from(
      { length: ropeDimensions / 2 },
      (_, i) => 10_000 ** ((-2 * i) / ropeDimensions),
    ),
    magnitude,
    position,
    tokens,
    qNorm: random.activations(headDim),
    kNorm: random.activations(headDim),
  };
  const table = ropeTable(
    {
      dimensions: ropeDimensions,
      interleaved: use.interleaved,
      factorsTensor: null,
      inverseFrequencies: inputs.inverseFrequencies,
      magnitude,
    },
    contextLength,
  );
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(position, tokens, 0, 0, 0),
      qkv: padded(inputs.qkv),
      rope: table,
      ...(use.headNormEpsilon === undefined
        ? {}
        : { q_norm: padded(inputs.qNorm), k_norm: padded(inputs.kNorm) }),
    }),
    outputs: () => {
      const { queries, keys, values } = ropeReference(use, inputs);
      return {
        queries: { values: queries },
        k_cache: { values: keys, storage: use.kv },
        v_cache: { values, storage: use.kv },
      };
    },
  };
}

const base: RopeUse = {
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  contextLength: 40,
  ropeDimensions: 16,
  interleaved: false,
  kv: 'f32',
};

export const ropeCases: readonly KernelCase<RopeUse>[] = [
  toCase('halves, from position 0', base, 0, 5),
  toCase('pairs, later position', { ...base, interleaved: true }, 17, 9),
  toCase(
    'partial rotation, three KV heads',
    { ...base, heads: 6, kvHeads: 3, ropeDimensions: 8 },
    3,
    4,
  ),
  toCase(
    'head norm, magnitude',
    { ...base, headNormEpsilon: 1e-6, headDim: 32, ropeDimensions: 32 },
    6,
    3,
    1.19,
  ),
  toCase('half-precision cache', { ...base, kv: 'f16', kvHeads: 1 }, 11, 6),
  toCase('on the way to the cache', { ...base, staged: true }, 9, 5),
  toCase('no whole units', { ...base, headDim: 20, ropeDimensions: 20 }, 2, 3),
  toCase('far positions', { ...base, contextLength: 9000, kvHeads: 1, heads: 1 }, 8990, 3),
];
