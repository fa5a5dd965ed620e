import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { AttentionCombineUse } from './attention-combine.ts';
import { attentionSplits } from './attention-split.ts';
import { randomGates } from './head-rows.ref.ts';

/** out [heads, headDim] in double precision from parts [heads, splits, headDim] and their (maximum, sum). */
export function attentionCombineReference(
  { heads, headDim }: AttentionCombineUse,
  outputs: Float32Array,
  scales: Float32Array,
  gates?: Float32Array,
): Float64Array {
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head += 1) {
    const parts = Array.from(
      { length: attentionSplits },
      (_, split) => head * attentionSplits + split,
    );
    const maximum = Math.max(...parts.map((part) => scales[part * 2] ?? 0));
    const weights = parts.map((part) => 2 ** ((scales[part * 2] ?? 0) - maximum));
    const total = parts.reduce(
      (sum, part, i) => sum + (weights[i] ?? 0) * (scales[part * 2 + 1] ?? 0),
      0,
    );
    for (let d = 0; d < headDim; d += 1) {
      const sum = parts.reduce(
        (acc, part, i) => acc + (weights[i] ?? 0) * (outputs[part * headDim + d] ?? 0),
        0,
      );
      out[head * headDim + d] = (sum / total) * (gates?.[head] ?? 1);
    }
  }
  return out;
}

function toCase(
  name: string,
  use: AttentionCombineUse,
  emptyParts: number,
): KernelCase<AttentionCombineUse> {
  const random = new Random(800 + use.headDim);
  const parts = use.heads * attentionSplits;
  const outputs = random.activations(parts * use.headDim);
  const scales = new Float32Array(parts * 2);
  for (let part = 0; part < parts; part += 1) {
    const isEmpty = part % attentionSplits >= attentionSplits - emptyParts;
    scales.set(isEmpty ? [-3.0e38, 0] : [random.normal(4), random.uniform(1, 50)], part * 2);
    if (isEmpty) outputs.fill(0, part * use.headDim, (part + 1) * use.headDim);
  }
  const gates = use.gated ? randomGates(use.heads) : undefined;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      split_outputs: outputs,
      split_scales: scales,
      ...(gates ? { gates } : {}),
    }),
    outputs: () => ({ out: { values: attentionCombineReference(use, outputs, scales, gates) } }),
  };
}

export const attentionCombineCases: readonly KernelCase<AttentionCombineUse>[] = [
  toCase('every part filled', { heads: 9, headDim: 64 }, 0),
  toCase('empty parts at the end', { heads: 3, headDim: 80 }, 29),
  toCase('gated heads', { heads: 8, headDim: 64, gated: true }, 3),
  toCase('one head', { heads: 1, headDim: 256 }, 7),
];
