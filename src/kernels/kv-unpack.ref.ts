import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packHeadWidths } from './head-widths.ts';
import { randomWidths } from './kv-project.ref.ts';
import { packCaches } from './kv-quantize.ref.ts';
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
  const rows = { keys: random.activations(count, 3), values: random.activations(count, 3) };
  const widths = use.ragged ? randomWidths(use) : undefined;
  const mean = random.activations(kvHeads * headDim);
  const { keys, values, buffers } = packCaches({ ...use, kv }, widths, rows);
  for (let i = 0; i < count && widths; i += 1) {
    const kvHead = Math.floor(i / headDim / contextLength);
    const isLeftOut = i % headDim >= (widths[kvHead]?.values ?? 0);
    if (isLeftOut) values[i] = mean[kvHead * headDim + (i % headDim)] ?? 0;
  }
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
      ...buffers,
      ...(widths ? { head_widths: packHeadWidths(widths), mean } : {}),
    }),
    outputs: () => ({
      keys: { values: unpacked(keys), storage: 'f16' },
      values: { values: unpacked(values), storage: 'f16' },
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
  toCase('ragged', { kvHeads: 3, headDim: 64, contextLength: 30, kv: 'q8_0', ragged: true }, 9, 12),
  toCase('half bytes', { kvHeads: 2, headDim: 96, contextLength: 20, kv: 'q4_0' }, 0, 17),
  // More than the invocations of a dispatch take at once.
  toCase('a long context', { kvHeads: 1, headDim: 128, contextLength: 8300, kv: 'q8_0' }, 8260, 37),
];
