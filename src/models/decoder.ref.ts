import { gatesOfLogits } from '../kernels/head-gates.ref.ts';
import type {
  DecoderWeightNames,
  LayerWeightNames,
  RopeConfig,
  TransformerConfig,
  WeightSlice,
} from './config.ts';

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
  /** By layer and position: keys and values [kvHeads · headDim]. */
  readonly #cache: { keys: Float64Array[]; values: Float64Array[] }[];

  constructor(config: TransformerConfig, names: DecoderWeightNames, weight: WeightLookup) {
    this.#config = config;
    this.#names = names;
    this.#weight = weight;
    this.#cache = names.layers.map(() => ({ keys: [], values: [] }));
  }

  /** Logits [vocabSize] after each of the tokens, which stand at `position` and behind it. */
  forward(tokens: readonly number[], position: number): Float64Array[] {
    return tokens.map((token, i) => this.#step(token, position + i));
  }

  #step(token: number, position: number): Float64Array {
    const { hiddenSize, embeddingScale } = this.#config;
    const { embedding, finalNorm, lmHead, layers } = this.#names;
    const row = this.#weight(embedding).subarray(token * hiddenSize, (token + 1) * hiddenSize);
    let x: Float64Array = row.map((value) => value * embeddingScale);
    layers.forEach((layer, index) => {
      x = add(x, this.#attention(layer, index, x, position));
      x = add(x, this.#feedForward(layer, x));
    });
    return multiply(this.#weight(lmHead ?? embedding), this.#norm(x, finalNorm));
  }

  #attention(layer: LayerWeightNames, index: number, x: Float64Array, position: number) {
    const { numAttentionHeads, numKeyValueHeads, headDim, attentionScale } = this.#config;
    const sliding = this.#config.slidingLayers[index] === true;
    const rope = sliding ? this.#config.rope.sliding : this.#config.rope.full;
    const input = this.#norm(x, layer.attentionNorm);
    const queries = this.#heads(layer.q, layer.qBias, layer.qNorm, input, rope, position);
    const cache = this.#cache[index] as { keys: Float64Array[]; values: Float64Array[] };
    cache.keys[position] = this.#heads(layer.k, layer.kBias, layer.kNorm, input, rope, position);
    cache.values[position] = this.#project(layer.v, layer.vBias, input);
    const window = sliding ? (this.#config.slidingWindow ?? 0) : 0;
    const first = window > 0 ? Math.max(0, position + 1 - window) : 0;
    const out = new Float64Array(numAttentionHeads * headDim);
    const gates = this.#gates(layer, input);
    for (let head = 0; head < numAttentionHeads; head += 1) {
      const kvHead = Math.floor(head / (numAttentionHeads / numKeyValueHeads));
      const query = queries.subarray(head * headDim, (head + 1) * headDim);
      const part = (row: Float64Array) => row.subarray(kvHead * headDim, (kvHead + 1) * headDim);
      const seen = (rows: Float64Array[]) => rows.slice(first, position + 1).map(part);
      const scores = seen(cache.keys).map((key) => dot(query, key) * attentionScale);
      const weights = softmax(scores);
      seen(cache.values).forEach((value, i) => {
        value.forEach((component, d) => {
          const at = head * headDim + d;
          out[at] = (out[at] as number) + (gates?.[head] ?? 1) * (weights[i] as number) * component;
        });
      });
    }
    return this.#post(layer.postAttentionNorm, this.#project(layer.output, null, out));
  }

  /** Gates of the query heads where a router chooses them. */
  #gates({ router }: LayerWeightNames, input: Float64Array): number[] | null {
    const { moh, numAttentionHeads } = this.#config;
    if (!moh || !router) return null;
    const { sharedHeads, activeHeads } = moh;
    const shape = {
      sharedHeads,
      routedHeads: numAttentionHeads - sharedHeads,
      active: activeHeads - sharedHeads,
    };
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

  /** A projection cut into heads, each normalized where the model does so, and rotated. */
  #heads(
    slice: WeightSlice,
    bias: string | null,
    norm: string | null,
    input: Float64Array,
    rope: RopeConfig,
    position: number,
  ): Float64Array {
    const { headDim } = this.#config;
    const out = this.#project(slice, bias, input);
    for (let at = 0; at < out.length; at += headDim) {
      const head = out.subarray(at, at + headDim);
      if (norm !== null) head.set(this.#norm(head, norm));
      rotate(head, rope, position, this.#factors(rope));
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
