import type { AttentionUse } from '../kernels/attention.ts';
import { isPacked, type WholeKv } from '../kernels/kv-format.ts';
import type { RopeConfig } from '../kernels/rope-table.ts';
import type { KvCacheFormat } from '../types.ts';
import type { MatryoshkaConfig } from './matryoshka.ts';
import type { MohConfig } from './moh.ts';
import type { TokenSelectConfig } from './token-select-config.ts';

/** What attention needs to know about a model: part of its `TransformerConfig`. */
export interface AttentionConfig {
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  attentionScale: number;
  rmsNormEps: number;
  rope: Record<LayerKind, RopeConfig>;
  slidingWindow: number | null;
  slidingLayers: readonly boolean[];
  moh: MohConfig | null;
  /** Null: a token attends to the whole context. */
  tokenSelect: TokenSelectConfig | null;
  /** Null: keys and values are cached whole. */
  matryoshka: MatryoshkaConfig | null;
}

export interface AttentionSettings {
  /** Tokens that the KV cache holds. */
  contextLength: number;
  kvCache: KvCacheFormat;
  /** Tokens of one pass at most. */
  passRows: number;
  /** Room for the queries of a pass, [tokens, heads, headDim] in single precision: nobody else's until a layer's attention is over. */
  queries: GPUBuffer;
  /**
   * From this position on, attention of one token is cut along the context: two dispatches instead of one, but enough
   * workgroups to fill the GPU. Default: by the adapter.
   */
  splitFrom?: number;
}

export type LayerKind = 'full' | 'sliding';

/** Of heads and of their cache. */
export type HeadsShape = Pick<
  AttentionUse,
  'heads' | 'kvHeads' | 'headDim' | 'contextLength' | 'kv'
>;

/** How a projection turns queries and keys, and stores these and values. */
export interface RotatedShape extends Omit<HeadsShape, 'kv'> {
  kv: WholeKv;
  ropeDimensions: number;
  interleaved: boolean;
  staged?: boolean;
  ragged?: boolean;
}

export function layerKind(
  { slidingLayers, slidingWindow }: AttentionConfig,
  layer: number,
): LayerKind {
  return slidingLayers[layer] === true && slidingWindow !== null ? 'sliding' : 'full';
}

export function headsShape(
  { numAttentionHeads, numKeyValueHeads, headDim }: AttentionConfig,
  { contextLength, kvCache }: AttentionSettings,
): HeadsShape {
  const heads = { heads: numAttentionHeads, kvHeads: numKeyValueHeads, headDim };
  return { ...heads, contextLength, kv: kvCache };
}

export function rotatedShape(
  config: AttentionConfig,
  settings: AttentionSettings,
  kind: LayerKind,
): RotatedShape {
  const { dimensions: ropeDimensions, interleaved } = config.rope[kind];
  const shape = headsShape(config, settings);
  // What goes into packed caches is staged as it is.
  const kv = isPacked(shape.kv) ? 'f32' : shape.kv;
  return { ...shape, kv, ropeDimensions, interleaved };
}

export function attentionUse(
  config: AttentionConfig,
  settings: AttentionSettings,
  kind: LayerKind,
): AttentionUse {
  return {
    ...headsShape(config, settings),
    scale: config.attentionScale,
    window: kind === 'sliding' ? (config.slidingWindow ?? 0) : 0,
    ...(config.moh ? { gated: true, activeHeads: config.moh.activeHeads } : {}),
  };
}
