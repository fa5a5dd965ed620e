import type { KernelBinding } from '../gpu/kernel.ts';
import type { KvCacheFormat } from '../types.ts';
import {
  bindingAlignment as alignment,
  headWidthsBinding,
  raggedFlags,
  widthsRoom,
} from './head-widths.ts';
import { isPacked, kvBytes, packedFlags, scaleBytes, type WholeKv } from './kv-format.ts';

/** One use of TokenSelect's kernels: which tokens of a long context a layer attends to. */
export interface SelectionUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Tokens that the caches [kvHeads, contextLength, headDim] hold; their keys are not rotated. */
  contextLength: number;
  /** Of the caches; see `setFormat`. */
  kv: KvCacheFormat;
  ropeDimensions: number;
  interleaved: boolean;
  /** First tokens of the context that are always attended to. */
  initial: number;
  /** Tokens between them and the local ones that are chosen. */
  selected: number;
  /** Last tokens that are attended to at most: see `keptOf`. */
  local: number;
  /** A token goes on with the last selection where its query's cosine with the one that selected is at least this. */
  similarity: number;
  /** Rows of the caches are as wide as `head_widths` says, those of layers behind each other, and keys are coefficients (MatryoshkaKV). */
  ragged?: boolean;
  /** Layers that one dispatch takes. Their parts of each buffer lie `layerBytes` apart. */
  layers: number;
}

/** Parts that the candidates are cut into. */
export const selectionStrips = 64;

/** A candidate takes the largest vote of those that are so many tokens away at most: what is asked for is read with what stands around it. */
export const voteReach = 4;

type WorkingSetSizes = Pick<SelectionUse, 'initial' | 'selected' | 'local'>;

/** Tokens that are attended to at most. */
export function capacityOf({ initial, selected, local }: WorkingSetSizes): number {
  return initial + selected + local;
}

/** Are so many tokens too many to attend to all of them and one more? */
export function isLong(sizes: WorkingSetSizes, tokens: number): boolean {
  return tokens >= capacityOf(sizes);
}

/** Last tokens that are attended to at least: of `local` ones, an eighth is room for the tokens of steps that go on with a selection. */
export function keptOf({ local }: Pick<WorkingSetSizes, 'local'>): number {
  return local - Math.max(1, Math.floor(local / 8));
}

/** Tokens of a pass at most: half of those last ones, so that the pass's first token finds what stands before it in the working set. */
export function passTokensOf(sizes: Pick<WorkingSetSizes, 'local'>): number {
  return Math.max(1, Math.floor(keptOf(sizes) / 2));
}

/** Tokens of a working set just filled. */
export function filledOf(sizes: WorkingSetSizes): number {
  return sizes.initial + sizes.selected + keptOf(sizes);
}

/** How a working set holds keys and values: never in blocks, since every step reads all of it and turns keys. */
export function setFormat({ kv }: Pick<SelectionUse, 'kv'>): WholeKv {
  return isPacked(kv) ? 'f16' : kv;
}

type SelectionBuffer =
  | 'selections'
  | 'asked'
  | 'working'
  | 'slots'
  | 'queries'
  | 'scores'
  | 'strips'
  | 'votes'
  | 'k_cache'
  | 'v_cache'
  | 'kv_scales';

/** Words of `struct Selection` before its tokens. */
export const selectionHeader = 4;

/** Bytes of a layer in each of the buffers; of caches whose rows are narrow, at most. */
export function layerBytes(use: SelectionUse): Record<SelectionBuffer, number> {
  const { heads, kvHeads, headDim, contextLength, kv, selected } = use;
  const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  const floats = (count: number) => aligned(count * 4);
  const components = (tokens: number) => kvHeads * tokens * headDim;
  const cache = aligned(kvBytes(kv, components(contextLength)));
  const ofSet = aligned(kvBytes(setFormat(use), components(capacityOf(use))));
  return {
    selections: floats(selectionHeader + selected),
    asked: floats(2 * heads * headDim),
    working: alignment,
    // Keys, then values.
    slots: 2 * ofSet,
    queries: floats(heads * headDim),
    scores: floats(heads * contextLength),
    strips: floats(heads * selectionStrips * 2),
    votes: floats(contextLength),
    k_cache: cache,
    v_cache: cache,
    kv_scales: isPacked(kv) ? aligned(scaleBytes(components(contextLength))) : alignment,
  };
}

/** Sizes of the working set, as all kernels of TokenSelect know them. */
export function selectionConstants(use: SelectionUse): Record<string, number> {
  return {
    INITIAL: use.initial,
    SELECTED: use.selected,
    LOCAL: use.local,
    KEPT: keptOf(use),
    TOKENS_ROOM: layerBytes(use).selections / 4 - selectionHeader,
  };
}

/** The flag and the constants of kernels that read the caches. */
export function cacheFlags(use: SelectionUse): string[] {
  return [...packedFlags(use), ...raggedFlags(use)];
}

export function cacheConstants(use: SelectionUse): Record<string, number> {
  return {
    HEAD_DIM_VEC4S: use.headDim / 4,
    ...(use.ragged ? { WIDTHS_ROOM: widthsRoom(use.kvHeads), LAYERS: use.layers } : {}),
  };
}

/** What kernels need beside the caches where rows are narrow. */
export const raggedBindings: readonly KernelBinding<Pick<SelectionUse, 'ragged'>>[] = [
  { ...headWidthsBinding, type: 'array<HeadWidths, LAYERS * WIDTHS_ROOM>' },
  { name: 'basis', type: 'array<vec2<u32>>', access: 'read', when: headWidthsBinding.when },
];

/** What all kernels of TokenSelect are told; strides are how far layers are apart in the buffers, in elements. */
export const selectionParams = {
  heads: 'u32',
  kv_heads: 'u32',
  context_length: 'u32',
  rope_dimensions: 'u32',
  similarity: 'f32',
  query_stride: 'u32',
  asked_stride: 'u32',
  score_stride: 'u32',
  strip_stride: 'u32',
  vote_stride: 'u32',
  cache_stride: 'u32',
  scales_stride: 'u32',
  set_stride: 'u32',
} as const;

export function selectionParamValues(
  use: SelectionUse,
): Record<keyof typeof selectionParams, number> {
  const bytes = layerBytes(use);
  return {
    heads: use.heads,
    kv_heads: use.kvHeads,
    context_length: use.contextLength,
    rope_dimensions: use.ropeDimensions,
    similarity: use.similarity,
    query_stride: bytes.queries / 16,
    asked_stride: bytes.asked / 16,
    score_stride: bytes.scores / 4,
    strip_stride: bytes.strips / 8,
    vote_stride: bytes.votes / 4,
    cache_stride: bytes.k_cache / kvBytes(use.kv, 4),
    scales_stride: bytes.kv_scales / 4,
    set_stride: bytes.slots / kvBytes(setFormat(use), 4),
  };
}
