import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { interleaveScales, packKv } from './kv-quantize.ref.ts';
import type { KvUnpackUse } from './kv-unpack.ts';

function toCase(
  name: string,
  use: KvUnpackUse,
  position: number,
  tokens: number,
): KernelCase<KvUnpackUse> {
  const { kvHeads, headDim, contextLength, kv } = use;
  const random = new Random(1950 + position);
  const count = kvHeads * contextLength * headDim;
  const keys = packKv(kv, random.activations(count, 3));
  const values = packKv(kv, random.activations(count, 3));
  /** NaN behind the pass. */
  const unpacked = (rows: Float32Array) =>
    Float64Array.from(rows, (value, i) =>
      Math.floor(i / headDim) % contextLength < position + tokens ? value : Number.NaN,
    );
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(position, tokens, 0, 0, 0),
      k_cache: keys.numbers,
      v_cache: values.numbers,
      kv_scales: interleaveScales(keys, values),
    }),
    outputs: () => ({
      keys: { values: unpacked(keys.values), storage: 'f16' },
      values: { values: unpacked(values.values), storage: 'f16' },
    }),
  };
}

export const kvUnpackCases: readonly KernelCase<KvUnpackUse>[] = [
  toCase(
    'bytes, three KV heads',
    { kvHeads: 3, headDim: 64, contextLength: 41, kv: 'q8_0' },
    7,
    30,
  ),
  toCase('half bytes', { kvHeads: 2, headDim: 96, contextLength: 20, kv: 'q4_0' }, 0, 17),
  // More than the invocations of a dispatch take at once.
  toCase('a long context', { kvHeads: 1, headDim: 128, contextLength: 8300, kv: 'q8_0' }, 8260, 37),
];
