import { fileRowBytes, rowLayout } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { type PackedKv, packedBlock } from './kv-format.ts';
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

function toCase(
  name: string,
  change: Partial<KvQuantizeUse>,
  position: number,
  tokens: number,
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
  const staged = new Float32Array(2 * firstValue);
  const kept = kvHeads * stagedRows * headDim;
  staged.set(random.activations(kept, 3));
  staged.set(random.activations(kept, 3), firstValue);
  // A block of zeros has no scale.
  staged.fill(0, 0, packedBlock);
  const after = (rows: Float32Array<ArrayBuffer>, first: number) => {
    const filled = rows.slice();
    for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
      const from = first + kvHead * stagedRows * headDim;
      const to = (kvHead * contextLength + position) * headDim;
      filled.set(staged.subarray(from, from + tokens * headDim), to);
    }
    return packKv(kv, filled);
  };
  return {
    name,
    use,
    rows: tokens,
    tolerance: {
      nmse: 1e-7,
      because: 'quotients may be rounded otherwise, and a tie falls to the other side',
    },
    inputs: () => {
      const [keys, values] = [packKv(kv, before.keys), packKv(kv, before.values)];
      return {
        state: Uint32Array.of(position, tokens, 0, 0, 0),
        staged,
        k_cache: keys.numbers,
        v_cache: values.numbers,
        kv_scales: interleaveScales(keys, values),
      };
    },
    outputs: () => {
      const keys = after(before.keys, 0);
      const values = after(before.values, firstValue);
      return {
        k_cache: { values: Float64Array.from(keys.numbers), storage: 'u8' },
        v_cache: { values: Float64Array.from(values.numbers), storage: 'u8' },
        kv_scales: { values: Float64Array.from(interleaveScales(keys, values)), storage: 'u32' },
      };
    },
  };
}

export const kvQuantizeCases: readonly KernelCase<KvQuantizeUse>[] = [
  toCase('a step, bytes', {}, 12, 1),
  toCase('a pass, bytes, three KV heads', { kvHeads: 3, headDim: 64 }, 0, 37),
  toCase('a step, half bytes, wide heads', { headDim: 128, kv: 'q4_0' }, 31, 1),
  toCase('a pass behind a cache, half bytes', { kvHeads: 1, headDim: 96, kv: 'q4_0' }, 30, 33),
];
