import type { BasisNames, MatryoshkaConfig } from '../attention/matryoshka.ts';
import type { MohConfig } from '../attention/moh.ts';
import type { TokenSelectConfig } from '../attention/token-select-config.ts';
import type { ModelHeader } from '../formats/header.ts';
import type { RopeConfig } from '../kernels/rope-table.ts';

export type { RopeConfig };

/**
 * What the decoder needs to know about a model. Field names are Hugging Face's in camelCase.
 * Shapes: hidden states [tokens, hiddenSize]; weights [N, K] row-major (N outputs, K inputs).
 */
export interface TransformerConfig {
  /** `general.architecture` of GGUF: llama, qwen2, qwen3, gemma3, phi3. */
  architecture: string;
  name: string;
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  vocabSize: number;
  /** Context length that the model was trained for, in tokens. */
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  hiddenAct: 'silu' | 'gelu_tanh';
  /** Factor on q·k: 1/√headDim in most models. */
  attentionScale: number;
  /** Factor on the embedding rows: √hiddenSize in Gemma, else 1. */
  embeddingScale: number;
  /** Added to the weights of every RMSNorm: 1 where the file stores them as offsets from 1. */
  normWeightOffset: number;
  /** RoPE of each layer's kind: `full` for global layers, `sliding` for sliding-window layers (equal to `full` unless the model says so). */
  rope: { full: RopeConfig; sliding: RopeConfig };
  /** A sliding-window layer attends to this many last positions, its own included. */
  slidingWindow: number | null;
  /** For each layer: does it use the sliding window? */
  slidingLayers: boolean[];
  /** Mixture-of-Head attention; null: every query head is on. */
  moh: MohConfig | null;
  /** Tokens that are attended to are selected (full layers); null: all are. */
  tokenSelect: TokenSelectConfig | null;
  /** Keys and values are cached at these widths; null: whole. */
  matryoshka: MatryoshkaConfig | null;
}

/** The role of a weight in the decoder. `layers[i]` holds those of block i. */
export interface DecoderWeightNames {
  embedding: string;
  finalNorm: string;
  /** Null: tied to `embedding`. */
  lmHead: string | null;
  layers: LayerWeightNames[];
}

/**
 * Names of one block's weights as they stand in the file; null where the model has none.
 * A fused matrix is one name with a row range: `{ name, rows: [from, to] }`.
 */
export interface LayerWeightNames {
  attentionNorm: string;
  q: WeightSlice;
  k: WeightSlice;
  v: WeightSlice;
  qBias: string | null;
  kBias: string | null;
  vBias: string | null;
  /** RMSNorm over headDim of each q and k head before RoPE. */
  qNorm: string | null;
  kNorm: string | null;
  output: WeightSlice;
  /** The learned router of Mixture-of-Head attention: stage, shared and routed heads, one below the other; null where there is none. */
  router: WeightSlice[] | null;
  /** Bases of keys and values; null where they are cached whole. */
  bases: BasisNames | null;
  /** Gemma's norm on the attention output before the residual is added. */
  postAttentionNorm: string | null;
  feedForwardNorm: string;
  gate: WeightSlice;
  up: WeightSlice;
  down: WeightSlice;
  postFeedForwardNorm: string | null;
}

export interface WeightSlice {
  name: string;
  /** Rows [from, to) of the stored matrix; left out: all. */
  rows?: [number, number];
}

export interface ArchitectureOptions {
  /** Tokens that the KV cache will hold; LongRoPE picks its factors by it. */
  contextLength: number;
}

/** One model architecture: one file in `src/models/`, one line in the registry. */
export interface Architecture {
  name: string;
  config(header: ModelHeader, options: ArchitectureOptions): TransformerConfig;
  weights(header: ModelHeader, config: TransformerConfig): DecoderWeightNames;
}
