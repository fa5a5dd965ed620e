import { ReferenceBases } from '../attention/matryoshka.ref.ts';
import { routedShape } from '../attention/moh.ts';
import { ReferenceSelection } from '../attention/token-select.ref.ts';
import { gatesOfLogits } from '../kernels/head-gates.ref.ts';
import { type PackedKv, packedBlock } from '../kernels/kv-format.ts';
import { packKv } from '../kernels/kv-quantize.ref.ts';
import { gatesOfQueries } from '../kernels/query-norm-gates.ref.ts';
import { isLong } from '../kernels/selection-use.ts';
import { roundedToHalf } from '../testing/weights.ts';
import type {
  DecoderWeightNames,
  LayerWeightNames,
  RopeConfig,
  TransformerConfig,
  WeightSlice,
} from './config.ts';

type PassKind = 'pass' | 'own' | 'step';

/** A weight by its name, row-major, exact. */
export type WeightLookup = (name: string) => Float64Array;

/**
 * The decoder in plain TypeScript and double precision: the specification that the GPU is held against, one token at a time.
 *
 *   x = embedding[token] · embeddingScale
 *   for each layer:  x += o(attention(norm(x)));  x += down(act(gate(norm(x))) · up(norm(x)))
 *   logits = lmHead(norm(x))
 */
export class ReferenceDecoder {
  readonly #config: TransformerConfig;
  readonly #names: DecoderWeightNames;
  readonly #weight: WeightLookup;
  readonly #kvCache: PackedKv | null;
  /** By layer and position: keys before rotation, and values, [kvHeads · headDim]. */
  readonly #cache: { keys: Float64Array[]; values: Float64Array[] }[];

  /** By layer: tokens that the next token attends to. */
  readonly #attended: number[][] = [];
  readonly #selections: ReferenceSelection[] | null;

  /** `kvCache`: rotated keys and values are rounded as a cache of this format holds them. */
  constructor(
    config: TransformerConfig,
    names: DecoderWeightNames,
    weight: WeightLookup,
    kvCache: PackedKv | null = null,
  ) {
    this.#kvCache = kvCache;
    this.#config = config;
    this.#names = names;
    this.#weight = weight;
    this.#cache = names.layers.map(() => ({ keys: [], values: [] }));
    const { tokenSelect } = config;
    this.#selections =
      tokenSelect && names.layers.map(() => new ReferenceSelection(tokenSelect, config));
  }

  /**
   * Logits [vocabSize] after each of the tokens of a pass, which stand at `position` and behind it. `how`: a single token that was sampled
   * may select for itself, or go on with what the last one asked for.
   */
  forward(tokens: readonly number[], position: number, how: PassKind = 'pass'): Float64Array[] {
    const { hiddenSize, embeddingScale } = this.#config;
    const { embedding, finalNorm, lmHead, layers } = this.#names;
    const embedded = this.#weight(embedding);
    let rows: Float64Array[] = tokens.map((token) =>
      embedded
        .subarray(token * hiddenSize, (token + 1) * hiddenSize)
        .map((value) => value * embeddingScale),
    );
    layers.forEach((layer, index) => {
      const attended = this.#attention(layer, index, rows, position, how);
      rows = rows.map((x, row) => add(x, attended[row] as Float64Array));
      rows = rows.map((x) => add(x, this.#feedForward(layer, x)));
    });
    return rows.map((x) => multiply(this.#weight(lmHead ?? embedding), this.#norm(x, finalNorm)));
  }

  /** How many layers attended to each token in the last pass. */
  attended(): number[] {
    const counts: number[] = [];
    for (const tokens of this.#attended) {
      for (const token of tokens) counts[token] = (counts[token] ?? 0) + 1;
    }
    return Array.from(counts, (count) => count ?? 0);
  }

  #attention(
    layer: LayerWeightNames,
    index: number,
    rows: readonly Float64Array[],
    position: number,
    how: PassKind,
  ): Float64Array[] {
    const sliding = this.#config.slidingLayers[index] === true;
    const rope = sliding ? this.#config.rope.sliding : this.#config.rope.full;
    const turn = (heads: Float64Array, at: number) => this.#rotated(heads, rope, at);
    const inputs = rows.map((x) => this.#norm(x, layer.attentionNorm));
    const queries = inputs.map((x) => this.#heads(layer.q, layer.qBias, layer.qNorm, x));
    const cache = this.#cache[index] as { keys: Float64Array[]; values: Float64Array[] };
    const selection = sliding ? undefined : this.#selections?.[index];
    // A step's token is made for a slot of the working set, and kept from there.
    const slot = selection?.slots.length ?? 0;
    inputs.forEach((input, row) => {
      const key = this.#heads(layer.k, layer.kBias, layer.kNorm, input);
      const value = this.#project(layer.v, layer.vBias, input);
      const isMade = selection && this.#kvCache && how !== 'pass';
      cache.keys[position + row] = isMade ? turn(this.#inSet(turn(key, slot)), -slot) : key;
      cache.values[position + row] = isMade ? this.#inSet(value) : value;
    });
    const tokens = position + rows.length;
    const all = Array.from({ length: tokens }, (_, token) => token);
    const bases = this.#bases(layer, index);
    const kept = selection
      ? cache.keys.slice(0, tokens).map((key) => this.#cached('key', key, bases))
      : [];
    const slots = selection?.tokens(queries, kept, how === 'step', turn) ?? all;
    // A sampled token that selects nothing for itself attends to its own key and value before they are cached.
    const { tokenSelect } = this.#config;
    const isQuick =
      how === 'step' || (how === 'own' && tokenSelect && !isLong(tokenSelect, tokens));
    const isNew = (token: number) => selection !== undefined && isQuick && token === position;
    const keys = slots.map((token, slot) => {
      const key = cache.keys[token] as Float64Array;
      if (!selection) return this.#cached('key', turn(key, slot), bases);
      return this.#inSet(turn(isNew(token) ? key : (kept[token] as Float64Array), slot));
    });
    const values = slots.map((token) => {
      const value = cache.values[token] as Float64Array;
      const read = isNew(token) ? value : this.#cached('value', value, bases);
      return selection ? this.#inSet(read) : read;
    });
    const window = sliding ? (this.#config.slidingWindow ?? 0) : 0;
    const attended = selection?.slots ?? slots;
    this.#attended[index] = window > 0 ? attended.slice(-window) : [...attended];
    return inputs.map((input, row) => {
      const slot = slots.length - rows.length + row;
      const first = window > 0 ? Math.max(0, slot + 1 - window) : 0;
      const query = turn(queries[row] as Float64Array, slot);
      const seen = (list: Float64Array[]) => list.slice(first, slot + 1);
      const gates = this.#gates(layer, input, query);
      const out = this.#attend(query, seen(keys), seen(values), gates);
      return this.#post(layer.postAttentionNorm, this.#project(layer.output, null, out));
    });
  }

  /** A row as a working set holds it: in halves, where caches are packed. */
  #inSet(row: Float64Array): Float64Array {
    return this.#kvCache ? Float64Array.from(roundedToHalf(Float32Array.from(row))) : row;
  }

  /** A row as it is read from the cache. */
  #cached(part: 'key' | 'value', row: Float64Array, bases: ReferenceBases | null): Float64Array {
    const store = (kept: Float64Array) => this.#stored(kept);
    if (bases) return bases[part](row, store);
    return this.#stored(row);
  }

  /** Components of one head or of several, rounded as a packed cache does; the last block is as long as is left. */
  #stored(kept: Float64Array): Float64Array {
    if (!this.#kvCache) return kept;
    const blocks = new Float32Array(Math.ceil(kept.length / packedBlock) * packedBlock);
    blocks.set(kept);
    return Float64Array.from(packKv(this.#kvCache, blocks).values.subarray(0, kept.length));
  }

  /** The outputs of all heads of a token. */
  #attend(
    queries: Float64Array,
    keys: readonly Float64Array[],
    values: readonly Float64Array[],
    gates: readonly number[] | null,
  ): Float64Array {
    const { numAttentionHeads, numKeyValueHeads, headDim, attentionScale } = this.#config;
    const out = new Float64Array(numAttentionHeads * headDim);
    for (let head = 0; head < numAttentionHeads; head += 1) {
      const kvHead = Math.floor(head / (numAttentionHeads / numKeyValueHeads));
      const query = queries.subarray(head * headDim, (head + 1) * headDim);
      const part = (row: Float64Array) => row.subarray(kvHead * headDim, (kvHead + 1) * headDim);
      const weights = softmax(keys.map((key) => dot(query, part(key)) * attentionScale));
      values.forEach((value, i) => {
        part(value).forEach((component, d) => {
          const at = head * headDim + d;
          out[at] = (out[at] as number) + (gates?.[head] ?? 1) * (weights[i] as number) * component;
        });
      });
    }
    return out;
  }

  /** The bases of a layer whose keys and values are cached at reduced width. */
  #bases({ bases }: LayerWeightNames, index: number): ReferenceBases | null {
    const widths = this.#config.matryoshka?.widths[index];
    if (!widths || !bases) return null;
    return new ReferenceBases(this.#config, widths, {
      keys: this.#weight(bases.keys),
      mean: this.#weight(bases.mean),
    });
  }

  /** Gates of the query heads where a router chooses them. */
  #gates(
    { router }: LayerWeightNames,
    input: Float64Array,
    queries: Float64Array,
  ): number[] | null {
    const { moh, numAttentionHeads, headDim } = this.#config;
    if (!moh) return null;
    const shape = { ...routedShape(moh, numAttentionHeads), headDim };
    if (!router) return gatesOfQueries(shape, queries);
    return gatesOfLogits(
      shape,
      router.flatMap((slice) => [...this.#project(slice, null, input)]),
    );
  }

  #feedForward(layer: LayerWeightNames, x: Float64Array): Float64Array {
    const input = this.#norm(x, layer.feedForwardNorm);
    const gate = this.#project(layer.gate, null, input);
    const up = this.#project(layer.up, null, input);
    const activation = this.#config.hiddenAct === 'silu' ? silu : geluTanh;
    const inner = gate.map((value, i) => activation(value) * (up[i] as number));
    return this.#post(layer.postFeedForwardNorm, this.#project(layer.down, null, inner));
  }

  /** A projection cut into heads, each normalized where the model does so. */
  #heads(
    slice: WeightSlice,
    bias: string | null,
    norm: string | null,
    input: Float64Array,
  ): Float64Array {
    const { headDim } = this.#config;
    const out = this.#project(slice, bias, input);
    if (norm === null) return out;
    for (let at = 0; at < out.length; at += headDim) {
      out.set(this.#norm(out.slice(at, at + headDim), norm), at);
    }
    return out;
  }

  /** Heads side by side, each turned to a position. */
  #rotated(heads: Float64Array, rope: RopeConfig, position: number): Float64Array {
    const { headDim } = this.#config;
    const out = heads.slice();
    for (let at = 0; at < out.length; at += headDim) {
      rotate(out.subarray(at, at + headDim), rope, position, this.#factors(rope));
    }
    return out;
  }

  #factors(rope: RopeConfig): Float64Array | null {
    return rope.factorsTensor === null ? null : this.#weight(rope.factorsTensor);
  }

  #project({ name, rows }: WeightSlice, bias: string | null, x: Float64Array): Float64Array {
    const whole = this.#weight(name);
    const [from, to] = rows ?? [0, whole.length / x.length];
    const product = multiply(whole.subarray(from * x.length, to * x.length), x);
    return bias === null ? product : add(product, this.#weight(bias));
  }

  #post(norm: string | null, x: Float64Array): Float64Array {
    return norm === null ? x : this.#norm(x, norm);
  }

  #norm(x: Float64Array, name: string): Float64Array {
    const weight = this.#weight(name);
    const { rmsNormEps, normWeightOffset } = this.#config;
    const scale = 1 / Math.sqrt(dot(x, x) / x.length + rmsNormEps);
    return x.map((value, i) => value * scale * ((weight[i] as number) + normWeightOffset));
  }
}

function rotate(
  head: Float64Array,
  { dimensions, interleaved, inverseFrequencies, magnitude }: RopeConfig,
  position: number,
  factors: Float64Array | null,
): void {
  const half = dimensions / 2;
  for (let pair = 0; pair < half; pair += 1) {
    const first = interleaved ? 2 * pair : pair;
    const second = interleaved ? 2 * pair + 1 : pair + half;
    const angle = (position * (inverseFrequencies[pair] as number)) / (factors?.[pair] ?? 1);
    const [cos, sin] = [Math.cos(angle) * magnitude, Math.sin(angle) * magnitude];
    const [a, b] = [head[first] as number, head[second] as number];
    head[first] = a * cos - b * sin;
    head[second] = b * cos + a * sin;
  }
}

/** weights [rows, columns] · x [columns]. */
function multiply(weights: Float64Array, x: Float64Array): Float64Array {
  const columns = x.length;
  const out = new Float64Array(weights.length / columns);
  for (let row = 0; row < out.length; row += 1) {
    let sum = 0;
    const base = row * columns;
    for (let k = 0; k < columns; k += 1) sum += (weights[base + k] as number) * (x[k] as number);
    out[row] = sum;
  }
  return out;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] as number));
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
