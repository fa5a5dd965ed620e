import type { KvCacheFormat } from '../types.ts';

/** Formats of caches whose components are numbers by themselves. */
export type WholeKv = 'f32' | 'f16';
/** Formats in blocks of `packedBlock` components that share a scale in half precision, as GGUF's formats of the same name. */
export type PackedKv = Exclude<KvCacheFormat, WholeKv>;

/** Components of a block, all of one head of one token. */
export const packedBlock = 32;

const bits: Readonly<Record<KvCacheFormat, number>> = { f32: 32, f16: 16, q8_0: 8, q4_0: 4 };

export const kvFormats: readonly KvCacheFormat[] = Object.keys(bits) as KvCacheFormat[];

export function isPacked(format: KvCacheFormat): format is PackedKv {
  return format !== 'f32' && format !== 'f16';
}

/** Bytes of so many components, without scales. */
export function kvBytes(format: KvCacheFormat, components: number): number {
  return (components * bits[format]) / 8;
}

/** Bytes of the scales of so many components of keys, and as many of values. */
export function scaleBytes(components: number): number {
  return (components / packedBlock) * 4;
}

/** The flag and the binding of kernels that read packed caches. */
export function packedFlags({ kv }: { kv: KvCacheFormat }): string[] {
  return isPacked(kv) ? ['packed'] : [];
}

export const kvScalesBinding = {
  name: 'kv_scales',
  type: 'array<u32>',
  access: 'read',
  when: ({ kv }: { kv: KvCacheFormat }): boolean => isPacked(kv),
} as const;
