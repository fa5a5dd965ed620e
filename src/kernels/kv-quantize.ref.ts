import { fileRowBytes, rowLayout } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { type KeptWidths, rowBlocks } from './head-widths.ts';
import { type PackedKv, packedBlock } from './kv-format.ts';
import { headWidthsOf, packedRows, randomWidths } from './kv-project.ref.ts';
import { stagedBytes } from './kv-project.ts';
import type { KvQuantizeUse } from './kv-quantize.ts';

/** Components as a packed cache holds them. */
export interface PackedRows {
  numbers: Uint8Array<ArrayBuffer>;
  /** In half precision, one a block. */
  scales: Uint16Array<ArrayBuffer>;
  /** What they stand for. */
  values: Float32Array<ArrayBuffer>;
}

/** Whole blocks by the quantizer of GGUF's format of the same name. */
export function packKv(kv: PackedKv, rows: Float32Array): PackedRows {
  const format = quantFormat(kv);
  const file = new Uint8Array(fileRowBytes(format, rows.length));
  format.quantize?.(rows, file);
  const { rowBytes, planes } = rowLayout(format, rows.length);
  const gpu = new Uint8Array(rowBytes);
  format.repackRow(file, gpu);
  const values = new Float32Array(rows.length);
  format.dequantize(file, values);
  const [, scales = 0] = planes;
  const blocks = rows.length / packedBlock;
  return {
    numbers: gpu.slice(0, scales),
    scales: new Uint16Array(gpu.slice(scales, scales + 2 * blocks).buffer),
    values,
  };
}

/** The scales of keys and of values, as `kv_scales` has them. */
export function interleaveScales(keys: PackedRows, values: PackedRows): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(keys.scales, (key, i) => (key | ((values.scales[i] ?? 0) << 16)) >>> 0);
}

/** Packed caches of the rows [kvHeads, contextLength, headDim] that they hold, and those rows as they are read again. */
export interface PackedCaches {
  keys: Float32Array<ArrayBuffer>;
  values: Float32Array<ArrayBuffer>;
  buffers: Record<'k_cache' | 'v_cache', Uint8Array<ArrayBuffer>> & {
    kv_scales: Uint32Array<ArrayBuffer>;
  };
}

/** With widths, what is beyond them is left out, and a row's last block is as long as is left. */
export function packCaches(
  { kv, kvHeads, headDim }: Pick<KvQuantizeUse, 'kvHeads' | 'headDim'> & { kv: PackedKv },
  widths: readonly KeptWidths[] | undefined,
  given: Record<keyof KeptWidths, Float32Array>,
): PackedCaches {
  const tokens = given.keys.length / kvHeads / headDim;
  const caches = { keys: given.keys.slice(), values: given.values.slice() };
  const numbers = { keys: [] as number[], values: [] as number[] };
  const scales: number[] = [];
  for (let i = 0; i < kvHeads * tokens; i += 1) {
    const own = widths?.[Math.floor(i / tokens)] ?? { keys: headDim, values: headDim };
    const pack = (part: keyof KeptWidths) => {
      const row = new Float32Array(rowBlocks(own) * packedBlock);
      row.set(given[part].subarray(i * headDim, i * headDim + own[part]));
      const packed = packKv(kv, row);
      const bytes = (packed.numbers.length * own[part]) / row.length;
      numbers[part].push(...packed.numbers.subarray(0, bytes));
      caches[part].fill(0, i * headDim, (i + 1) * headDim);
      caches[part].set(packed.values.subarray(0, own[part]), i * headDim);
      return packed;
    };
    scales.push(...interleaveScales(pack('keys'), pack('values')));
  }
  return {
    ...caches,
    buffers: {
      k_cache: Uint8Array.from(numbers.keys),
      v_cache: Uint8Array.from(numbers.values),
      kv_scales: Uint32Array.from(scales),
    },
  };
}

/** `isSecond`: the caches have the rows of two layers, and these are the second one's. */
function toCase(
  name: string,
  change: Partial<KvQuantizeUse>,
  position: number,
  tokens: number,
  isSecond = false,
): KernelCase<KvQuantizeUse> {
  const use: KvQuantizeUse = {
    kvHeads: 2,
    headDim: 32,
    contextLength: position + tokens + 3,
    kv: 'q8_0',
    stagedRows: tokens + 2,
    ...change,
  };
  const { kvHeads, headDim, contextLength, stagedRows, kv } = use;
  const random = new Random(1900 + position + tokens);
  const count = kvHeads * contextLength * headDim;
  const before = { keys: random.activations(count), values: random.activations(count) };
  const firstValue = stagedBytes({ ...use, heads: 0 }).keys / 4;
  const widths = use.ragged ? randomWidths(use) : undefined;
  const rows = () => random.activations(kvHeads * stagedRows * headDim, 3);
  const given = { keys: rows(), values: rows() };
  // A block of zeros has no scale.
  given.keys.fill(0, 0, packedBlock);
  const staged = new Float32Array(2 * firstValue);
  const stage = (part: keyof KeptWidths, first: number) => {
    const shape = { kvHeads, headDim, contextLength: stagedRows };
    staged.set(widths ? packedRows(shape, widths, given[part], part) : given[part], first);
  };
  stage('keys', 0);
  stage('values', firstValue);
  const after = (part: keyof KeptWidths) => {
    const filled = before[part].slice();
    for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
      const from = kvHead * stagedRows * headDim;
      const to = (kvHead * contextLength + position) * headDim;
      filled.set(given[part].subarray(from, from + tokens * headDim), to);
    }
    return filled;
  };
  const cachesOf = (rows: typeof before) => {
    const { k_cache, v_cache, kv_scales } = packCaches({ ...use, kv }, widths, rows).buffers;
    const first = packCaches({ ...use, kv }, widths, before).buffers;
    return isSecond
      ? {
          k_cache: Uint8Array.of(...first.k_cache, ...k_cache),
          v_cache: Uint8Array.of(...first.v_cache, ...v_cache),
          kv_scales: Uint32Array.of(...first.kv_scales, ...kv_scales),
        }
      : { k_cache, v_cache, kv_scales };
  };
  return {
    name,
    use,
    rows: tokens,
    tolerance: {
      nmse: 1e-7,
      because: 'quotients may be rounded otherwise, and a tie falls to the other side',
    },
    inputs: () => ({
      state: Uint32Array.of(position, tokens, 0, 0, 0),
      staged,
      ...cachesOf(before),
      ...(widths ? { head_widths: headWidthsOf(use, widths, isSecond) } : {}),
    }),
    outputs: () => {
      const rows = { keys: after('keys'), values: after('values') };
      const { k_cache, v_cache, kv_scales } = cachesOf(rows);
      return {
        k_cache: { values: Float64Array.from(k_cache), storage: 'u8' },
        v_cache: { values: Float64Array.from(v_cache), storage: 'u8' },
        kv_scales: { values: Float64Array.from(kv_scales), storage: 'u32' },
      };
    },
  };
}

export const kvQuantizeCases: readonly KernelCase<KvQuantizeUse>[] = [
  toCase('a step, bytes', {}, 12, 1),
  toCase('a pass, bytes, three KV heads', { kvHeads: 3, headDim: 64 }, 0, 37),
  toCase('ragged, bytes', { kvHeads: 3, headDim: 64, ragged: true }, 9, 5),
  toCase('ragged, half bytes', { headDim: 128, kv: 'q4_0', ragged: true }, 30, 1),
  toCase('of the second of two layers, bytes', { headDim: 64, ragged: true }, 9, 3, true),
  toCase('a step, half bytes, wide heads', { headDim: 128, kv: 'q4_0' }, 31, 1),
  toCase('a pass behind a cache, half bytes', { kvHeads: 1, headDim: 96, kv: 'q4_0' }, 30, 33),
];
