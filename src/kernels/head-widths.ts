import { packedBlock } from './kv-format.ts';

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

/** Blocks of a row of a packed cache: those of a key and of its value lie side by side, so the wider one counts. */
export function rowBlocks({ keys, values }: KeptWidths): number {
  return Math.ceil(Math.max(keys, values) / packedBlock);
}

/** `head_widths`: lib/head-widths. */
export function packHeadWidths(widths: readonly KeptWidths[]): Uint32Array<ArrayBuffer> {
  const packed = new Uint32Array(widths.length * words);
  let [keys, values, blocks] = [0, 0, 0];
  widths.forEach((own, head) => {
    packed.set([keys, own.keys, values, own.values, blocks, rowBlocks(own)], head * words);
    keys += own.keys;
    values += own.values;
    blocks += rowBlocks(own);
  });
  return packed;
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
