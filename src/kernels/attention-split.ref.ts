import type { KernelCase } from '../testing/kernel-run.ts';
import {
  type AttentionInputs,
  attendPart,
  attentionCase,
  cachedKeys,
  range,
} from './attention.ref.ts';
import type { AttentionUse } from './attention.ts';
import { attentionSplits } from './attention-split.ts';

/** The parts of one token's attention in double precision, exponents to base 2 as in the kernel. */
export function attentionSplitReference(
  use: AttentionUse,
  inputs: AttentionInputs,
): { outputs: Float64Array; scales: Float64Array } {
  const { heads, kvHeads, headDim } = use;
  const splits = attentionSplits(kvHeads);
  const outputs = new Float64Array(heads * splits * headDim);
  const scales = new Float64Array(heads * splits * 2);
  const { position } = inputs;
  const start = use.window > 0 ? Math.max(0, position + 1 - use.window) : 0;
  const span = Math.ceil((position + 1 - start) / splits);
  for (let head = 0; head < heads; head += 1) {
    if (isGroupOff(use, inputs, head)) {
      outputs.fill(Number.NaN, head * splits * headDim, (head + 1) * splits * headDim);
      scales.fill(Number.NaN, head * splits * 2, (head + 1) * splits * 2);
      continue;
    }
    for (let split = 0; split < splits; split += 1) {
      const first = start + split * span;
      const keys = range(first, Math.min(first + span, position + 1));
      const at = head * splits + split;
      const part = attendPart(use, inputs, head, keys);
      outputs.set(part.output, at * headDim);
      scales.set([part.maximum, part.sum], at * 2);
    }
  }
  return { outputs, scales };
}

/** Does no query head that shares keys with this one have a gate other than 0? */
function isGroupOff(
  { heads, kvHeads }: AttentionUse,
  { gates }: AttentionInputs,
  head: number,
): boolean {
  const size = heads / kvHeads;
  const first = Math.floor(head / size) * size;
  return gates?.slice(first, first + size).every((gate) => gate === 0) ?? false;
}

function wholeKv({ kv }: AttentionUse): 'f32' | 'f16' {
  return kv === 'f32' ? 'f32' : 'f16';
}

function toCase(
  name: string,
  change: Partial<AttentionUse>,
  position: number,
): KernelCase<AttentionUse> {
  const { use, inputs, buffers } = attentionCase(change, position, 1);
  return {
    name,
    use,
    rows: 1,
    inputs: () => buffers,
    outputs: () => {
      const { outputs, scales } = attentionSplitReference(use, inputs);
      return {
        split_outputs: { values: outputs },
        split_scales: { values: scales },
        ...(use.parts
          ? { k_cache: { values: cachedKeys(use, inputs), storage: wholeKv(use) } }
          : {}),
      };
    },
  };
}

export const attentionSplitCases: readonly KernelCase<AttentionUse>[] = [
  toCase('one position a part', {}, 31),
  toCase(
    'ragged parts, three heads a group',
    { heads: 9, kvHeads: 3, headDim: 64, scale: 0.125 },
    991,
  ),
  toCase('parts longer than a workgroup', { heads: 2, kvHeads: 1, headDim: 32 }, 2111),
  toCase('sliding window', { window: 256, headDim: 80, heads: 2, kvHeads: 2 }, 600),
  toCase('gated heads', { gated: true, heads: 12, kvHeads: 6, headDim: 32 }, 415),
  toCase('ragged', { heads: 9, kvHeads: 3, headDim: 64, ragged: true }, 991),
  toCase('ragged, halves', { headDim: 32, kv: 'f16', ragged: true }, 415),
  toCase(
    'ragged, halves, eight at once',
    { heads: 24, kvHeads: 8, headDim: 64, kv: 'f16', ragged: true },
    1100,
  ),
  toCase('ragged, bytes', { headDim: 64, kv: 'q8_0', ragged: true }, 415),
  toCase(
    'ragged, half bytes',
    { heads: 9, kvHeads: 3, headDim: 64, kv: 'q4_0', ragged: true },
    991,
  ),
  toCase(
    'ragged, widths of all kinds',
    { heads: 14, kvHeads: 7, headDim: 32, kv: 'f16', ragged: true },
    1300,
  ),
  toCase(
    'ragged, half of the keys',
    { heads: 9, kvHeads: 3, headDim: 32, ragged: true, halfKeys: true },
    1300,
  ),
  toCase(
    'ragged, half of keys and values, halves',
    {
      heads: 8,
      kvHeads: 4,
      headDim: 64,
      kv: 'f16',
      ragged: true,
      halfKeys: true,
      halfValues: true,
    },
    1100,
  ),
  toCase(
    'parts, half of the keys',
    { heads: 9, kvHeads: 3, headDim: 32, ragged: true, halfKeys: true, parts: 2 },
    1300,
  ),
  toCase('seven heads a group', { kv: 'f16', heads: 7, kvHeads: 1, headDim: 32 }, 1300),
  toCase('parts', { heads: 9, kvHeads: 3, headDim: 32, ragged: true, parts: 2 }, 415),
  toCase(
    'parts, halves, a window, gated heads',
    {
      heads: 8,
      kvHeads: 2,
      headDim: 64,
      kv: 'f16',
      ragged: true,
      parts: 4,
      window: 200,
      gated: true,
    },
    700,
  ),
  toCase('bytes', { heads: 9, kvHeads: 3, headDim: 64, kv: 'q8_0' }, 991),
  toCase('half bytes', { headDim: 32, kv: 'q4_0', gated: true }, 415),
  toCase('halves of short heads', { kv: 'f16', headDim: 32 }, 2100),
  toCase('half-precision cache', { kv: 'f16', headDim: 128, scale: 0.088 }, 735),
];
