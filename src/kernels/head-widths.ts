import type { KvCacheFormat } from '../types.ts';
import { isPacked, kvBytes, packedBlock, scaleBytes } from './kv-format.ts';

/** Components that a KV head keeps of its keys and of its values. */
export interface KeptWidths {
  keys: number;
  values: number;
}

interface MaybeRagged {
  kvHeads: number;
  headDim: number;
  /** `head_widths` says how wide keys and values of each KV head are, `mean` what values are on average beyond that. */
  ragged?: boolean;
}

/** Words of `struct HeadWidths`. */
const words = 8;
/** Parts of a buffer can be bound from such offsets on, on every adapter. */
export const bindingAlignment = 256;

/** Blocks of a row of a packed cache: those of a key and of its value lie side by side, so the wider one counts. */
export function rowBlocks({ keys, values }: KeptWidths): number {
  return Math.ceil(Math.max(keys, values) / packedBlock);
}

/** Bytes of caches of so many tokens whose heads keep this, of one layer or of several. */
export function narrowCacheBytes(
  { kv, contextLength }: { kv: KvCacheFormat; contextLength: number },
  kept: readonly KeptWidths[],
): Record<'k_cache' | 'v_cache' | 'kv_scales', number> {
  const total = (of: (own: KeptWidths) => number) =>
    contextLength * kept.reduce((sum, own) => sum + of(own), 0);
  return {
    k_cache: kvBytes(
      kv,
      total(({ keys }) => keys),
    ),
    v_cache: kvBytes(
      kv,
      total(({ values }) => values),
    ),
    kv_scales: isPacked(kv) ? scaleBytes(total(rowBlocks) * packedBlock) : 0,
  };
}

/** Does no head keep more than half of its keys, or of its values? */
export function halvesOf(
  { headDim }: { headDim: number },
  kept: readonly KeptWidths[],
): { halfKeys: boolean; halfValues: boolean } {
  const half = headDim / 2;
  return {
    halfKeys: kept.every(({ keys }) => keys <= half),
    halfValues: kept.every(({ values }) => values <= half),
  };
}

/** Invocations that take a vector of a basis together: as many as the least subgroups have, on every adapter that is used. */
export const vectorLanes = 4;

/** Of lib/coefficients, for a workgroup that has so many rows of a head: an invocation for each of its components, or more. */
export function basisConstants(
  headDim: number,
  rows: number,
  workgroup: number,
): Record<'OWN_QUADS' | 'VECTOR_LANES' | 'LANE_QUADS', number> {
  const quads = rows / 4;
  const most = Math.min(vectorLanes, workgroup / headDim);
  const lanes = 2 ** Math.floor(Math.log2(most));
  return { OWN_QUADS: quads, VECTOR_LANES: lanes, LANE_QUADS: quads / lanes };
}

type BasisShape = Pick<MaybeRagged, 'kvHeads' | 'headDim'>;

/**
 * Bytes of the bases of a layer's keys, [kvHeads, headDim, headDim] in halves, and of the mean of its values, [kvHeads, headDim], which stands
 * behind them. In what has the bases of all layers they lie `layer` bytes apart.
 */
export function basisBytes({ kvHeads, headDim }: BasisShape): {
  keys: number;
  mean: number;
  layer: number;
} {
  const keys = kvHeads * headDim ** 2 * 2;
  const mean = kvHeads * headDim * 4;
  return { keys, mean, layer: Math.ceil((keys + mean) / bindingAlignment) * bindingAlignment };
}

/** Heads that there is room for in a layer's part of `head_widths`: parts can be bound alone. */
export function widthsRoom(kvHeads: number): number {
  const aligned = bindingAlignment / (words * 4);
  return Math.ceil(kvHeads / aligned) * aligned;
}

/** Bytes of such a part. */
export function layerWidthsBytes({ kvHeads }: Pick<MaybeRagged, 'kvHeads'>): number {
  return widthsRoom(kvHeads) * words * 4;
}

/** `head_widths` of layers whose rows follow each other, and where in the bases of all layers theirs are: lib/head-widths. */
export function packLayerWidths(
  shape: BasisShape,
  layers: readonly { layer: number; kept: readonly KeptWidths[] }[],
): Uint32Array<ArrayBuffer> {
  const bytes = basisBytes(shape);
  const room = widthsRoom(shape.kvHeads);
  const packed = new Uint32Array(layers.length * room * words);
  let [keys, values, blocks] = [0, 0, 0];
  layers.forEach(({ layer, kept }, place) => {
    kept.forEach((own, head) => {
      const basis = layer * bytes.layer + (bytes.keys / shape.kvHeads) * head;
      const mean = layer * bytes.layer + bytes.keys + (bytes.mean / shape.kvHeads) * head;
      packed.set(
        [keys, own.keys, values, own.values, blocks, rowBlocks(own), basis / 8, mean / 8],
        (place * room + head) * words,
      );
      keys += own.keys;
      values += own.values;
      blocks += rowBlocks(own);
    });
  });
  return packed;
}

/** The same of one layer, for kernels that are given its bases alone. */
export function packHeadWidths(kept: readonly KeptWidths[]): Uint32Array<ArrayBuffer> {
  return packLayerWidths({ kvHeads: kept.length, headDim: 0 }, [{ layer: 0, kept }]);
}

function isRagged({ ragged }: Pick<MaybeRagged, 'ragged'>): boolean {
  return ragged === true;
}

/** The flag and the constants of kernels that read ragged caches. */
export function raggedFlags(use: Pick<MaybeRagged, 'ragged'>): string[] {
  return isRagged(use) ? ['ragged'] : [];
}

export function raggedConstants({ ragged, kvHeads, headDim }: MaybeRagged): Record<string, number> {
  return ragged ? { KV_HEADS: kvHeads, HEAD_DIM_VEC4S: headDim / 4 } : {};
}

/** Uniforms: eight storage buffers are all that every device must have. */
export const headWidthsBinding = {
  name: 'head_widths',
  type: 'array<HeadWidths, KV_HEADS>',
  access: 'uniform',
  when: (use: Pick<MaybeRagged, 'ragged'>): boolean => isRagged(use),
} as const;

/** [kvHeads, headDim], of values in their basis. */
export const meanBinding = {
  name: 'mean',
  type: 'array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>',
  access: 'uniform',
  when: (use: Pick<MaybeRagged, 'ragged'>): boolean => isRagged(use),
} as const;
