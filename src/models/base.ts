import { basisNames } from '../attention/matryoshka.ts';
import { mohConfig, mohRouterNames } from '../attention/moh.ts';
import type { ModelHeader, TensorInfo } from '../formats/header.ts';
import type {
  ArchitectureOptions,
  DecoderWeightNames,
  LayerWeightNames,
  TransformerConfig,
} from './config.ts';
import {
  checkWhole,
  corruptHeader,
  type HyperParameters,
  hyperParameters,
  wholeNumber,
} from './header-reader.ts';
import { ropeConfig } from './rope-scaling.ts';

/** What nearly all decoder-only models share; an architecture changes what it does otherwise. */
export function baseConfig(
  header: ModelHeader,
  architecture: string,
  options: ArchitectureOptions,
): TransformerConfig {
  const parameters = hyperParameters(header);
  const numAttentionHeads = wholeNumber(parameters, 'numAttentionHeads', 1024);
  const hiddenSize = wholeNumber(parameters, 'hiddenSize', 2 ** 20);
  const numHiddenLayers = wholeNumber(parameters, 'numHiddenLayers', 1024);
  const numKeyValueHeads = checkWhole(
    'the number of KV heads',
    parameters.numberOr('numKeyValueHeads', numAttentionHeads),
    numAttentionHeads,
  );
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw corruptHeader(`${numAttentionHeads} heads do not share ${numKeyValueHeads} KV heads`);
  }
  const headDim = checkWhole(
    'the head dimension',
    parameters.numberOr('headDim', hiddenSize / numAttentionHeads),
    1024,
  );
  const rope = ropeConfig(header, parameters, headDim, options);
  return {
    architecture,
    name: parameters.name,
    hiddenSize,
    intermediateSize: wholeNumber(parameters, 'intermediateSize', 2 ** 22),
    numHiddenLayers,
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    vocabSize: vocabularySize(header, hiddenSize),
    maxPositionEmbeddings: wholeNumber(parameters, 'maxPositionEmbeddings', 2 ** 27),
    rmsNormEps: parameters.numberOr('rmsNormEps', 1e-5),
    hiddenAct: 'silu',
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    normWeightOffset: 0,
    rope: { full: rope, sliding: rope },
    slidingWindow: null,
    slidingLayers: new Array<boolean>(numHiddenLayers).fill(false),
    moh: mohConfig(header, numAttentionHeads),
    tokenSelect: null,
    matryoshka: null,
  };
}

/** The rows of the embedding are the vocabulary: metadata may disagree where it was padded. */
function vocabularySize(header: ModelHeader, hiddenSize: number): number {
  const names = ['token_embd.weight', 'model.embed_tokens.weight'];
  const tensor = names.map((name) => header.tensors.get(name)).find((found) => found);
  if (!tensor) throw corruptHeader('there is no token embedding');
  const [rows, columns] = tensor.shape;
  if (tensor.shape.length !== 2 || columns !== hiddenSize) {
    throw corruptHeader(`the token embedding has the shape ${tensor.shape.join('×')}`);
  }
  return checkWhole('the vocabulary', rows ?? 0, 2 ** 24);
}

/** Every layer slides: Mistral's first models. */
export function withSlidingWindow(
  config: TransformerConfig,
  window: number | null,
): TransformerConfig {
  if (window === null || window <= 0 || window >= config.maxPositionEmbeddings) return config;
  return { ...config, slidingWindow: window, slidingLayers: config.slidingLayers.map(() => true) };
}

/** Names in the two containers. `{i}` is the layer. */
const names = {
  gguf: {
    embedding: 'token_embd.weight',
    finalNorm: 'output_norm.weight',
    lmHead: 'output.weight',
    attentionNorm: 'blk.{i}.attn_norm.weight',
    q: 'blk.{i}.attn_q.weight',
    k: 'blk.{i}.attn_k.weight',
    v: 'blk.{i}.attn_v.weight',
    qkv: 'blk.{i}.attn_qkv.weight',
    qBias: 'blk.{i}.attn_q.bias',
    kBias: 'blk.{i}.attn_k.bias',
    vBias: 'blk.{i}.attn_v.bias',
    qNorm: 'blk.{i}.attn_q_norm.weight',
    kNorm: 'blk.{i}.attn_k_norm.weight',
    output: 'blk.{i}.attn_output.weight',
    postAttentionNorm: 'blk.{i}.post_attention_norm.weight',
    feedForwardNorm: 'blk.{i}.ffn_norm.weight',
    gate: 'blk.{i}.ffn_gate.weight',
    up: 'blk.{i}.ffn_up.weight',
    gateUp: 'blk.{i}.ffn_up.weight',
    down: 'blk.{i}.ffn_down.weight',
    postFeedForwardNorm: 'blk.{i}.post_ffw_norm.weight',
  },
  safetensors: {
    embedding: 'model.embed_tokens.weight',
    finalNorm: 'model.norm.weight',
    lmHead: 'lm_head.weight',
    attentionNorm: 'model.layers.{i}.input_layernorm.weight',
    q: 'model.layers.{i}.self_attn.q_proj.weight',
    k: 'model.layers.{i}.self_attn.k_proj.weight',
    v: 'model.layers.{i}.self_attn.v_proj.weight',
    qkv: 'model.layers.{i}.self_attn.qkv_proj.weight',
    qBias: 'model.layers.{i}.self_attn.q_proj.bias',
    kBias: 'model.layers.{i}.self_attn.k_proj.bias',
    vBias: 'model.layers.{i}.self_attn.v_proj.bias',
    qNorm: 'model.layers.{i}.self_attn.q_norm.weight',
    kNorm: 'model.layers.{i}.self_attn.k_norm.weight',
    output: 'model.layers.{i}.self_attn.o_proj.weight',
    postAttentionNorm: 'model.layers.{i}.post_attention_layernorm.weight',
    feedForwardNorm: 'model.layers.{i}.post_attention_layernorm.weight',
    gate: 'model.layers.{i}.mlp.gate_proj.weight',
    up: 'model.layers.{i}.mlp.up_proj.weight',
    gateUp: 'model.layers.{i}.mlp.gate_up_proj.weight',
    down: 'model.layers.{i}.mlp.down_proj.weight',
    postFeedForwardNorm: 'model.layers.{i}.post_feedforward_layernorm.weight',
  },
} as const;

export type WeightRole = keyof (typeof names)['gguf'];

/** The name that a role has in this file's container. */
export function weightName(parameters: HyperParameters, role: WeightRole, layer = 0): string {
  return names[parameters.container][role].replace('{i}', String(layer));
}

/** Weights of a plain block: separate q, k, v, gate, up; no biases, no further norms. `change` says what is otherwise. */
export function baseWeights(
  header: ModelHeader,
  config: TransformerConfig,
  change: (layer: number, parameters: HyperParameters) => Partial<LayerWeightNames> = () => ({}),
): DecoderWeightNames {
  const parameters = hyperParameters(header);
  const named = (role: WeightRole, layer = 0) => weightName(parameters, role, layer);
  const lmHead = named('lmHead');
  const weights: DecoderWeightNames = {
    embedding: named('embedding'),
    finalNorm: named('finalNorm'),
    lmHead: header.tensors.has(lmHead) ? lmHead : null,
    layers: Array.from({ length: config.numHiddenLayers }, (_, i) => ({
      attentionNorm: named('attentionNorm', i),
      q: { name: named('q', i) },
      k: { name: named('k', i) },
      v: { name: named('v', i) },
      qBias: null,
      kBias: null,
      vBias: null,
      qNorm: null,
      kNorm: null,
      router: config.moh?.router === 'learned' ? mohRouterNames(i) : null,
      bases: config.matryoshka === null ? null : basisNames(i),
      output: { name: named('output', i) },
      postAttentionNorm: null,
      feedForwardNorm: named('feedForwardNorm', i),
      gate: { name: named('gate', i) },
      up: { name: named('up', i) },
      down: { name: named('down', i) },
      postFeedForwardNorm: null,
      ...change(i, parameters),
    })),
  };
  checkShapes(header, config, weights);
  return weights;
}

/** Every weight is there and has the shape that the hyper-parameters promise. */
function checkShapes(
  header: ModelHeader,
  config: TransformerConfig,
  weights: DecoderWeightNames,
): void {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const keys = config.numKeyValueHeads * headDim;
  const vector = (name: string | null, length: number) => {
    if (name !== null) expectShape(header, name, [length]);
  };
  const matrix = (slice: LayerWeightNames['q'], rows: number, columns: number) => {
    if (!slice.rows) return expectShape(header, slice.name, [rows, columns]);
    const tensor = tensorOf(header, slice.name);
    const [from, to] = slice.rows;
    if (to - from === rows && (tensor.shape[0] ?? 0) >= to && tensor.shape[1] === columns) return;
    throw corruptHeader(`'${slice.name}' has the shape ${tensor.shape.join('×')}`);
  };
  vector(weights.finalNorm, hiddenSize);
  if (weights.lmHead !== null) expectShape(header, weights.lmHead, [config.vocabSize, hiddenSize]);
  for (const layer of weights.layers) {
    matrix(layer.q, queries, hiddenSize);
    matrix(layer.k, keys, hiddenSize);
    matrix(layer.v, keys, hiddenSize);
    matrix(layer.output, hiddenSize, queries);
    matrix(layer.gate, intermediateSize, hiddenSize);
    matrix(layer.up, intermediateSize, hiddenSize);
    matrix(layer.down, hiddenSize, intermediateSize);
    vector(layer.attentionNorm, hiddenSize);
    vector(layer.feedForwardNorm, hiddenSize);
    vector(layer.postAttentionNorm, hiddenSize);
    vector(layer.postFeedForwardNorm, hiddenSize);
    vector(layer.qNorm, headDim);
    vector(layer.kNorm, headDim);
    vector(layer.qBias, queries);
    vector(layer.kBias, keys);
    vector(layer.vBias, keys);
    if (layer.bases) {
      const heads = config.numKeyValueHeads;
      expectShape(header, layer.bases.keys, [heads, headDim, headDim]);
      expectShape(header, layer.bases.mean, [heads, headDim]);
    }
  }
}

function expectShape(header: ModelHeader, name: string, shape: readonly number[]): void {
  const tensor = tensorOf(header, name);
  if (tensor.shape.length === shape.length && shape.every((n, i) => tensor.shape[i] === n)) return;
  throw corruptHeader(`'${name}' has the shape ${tensor.shape.join('×')}, not ${shape.join('×')}`, {
    tensor: name,
    shape: [...tensor.shape],
    expected: [...shape],
  });
}

function tensorOf(header: ModelHeader, name: string): TensorInfo {
  const tensor = header.tensors.get(name);
  if (!tensor) throw corruptHeader(`the tensor '${name}' is missing`, { tensor: name });
  return tensor;
}
