import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { randomMatrix } from '../testing/weights.ts';
import { summandsReference } from './attention.ref.ts';
import type { AttentionCombineUse } from './attention-combine.ts';
import { attentionSplits } from './attention-split.ts';
import { randomGates } from './head-rows.ref.ts';

/** out [heads, headDim] in double precision from parts [heads, splits, headDim] and their (maximum, sum). */
export function attentionCombineReference(
  { heads, kvHeads, headDim }: Pick<AttentionCombineUse, 'heads' | 'kvHeads' | 'headDim'>,
  outputs: Float32Array,
  scales: Float32Array,
  gates?: Float32Array,
): Float64Array {
  const out = new Float64Array(heads * headDim);
  const splits = attentionSplits(kvHeads);
  for (let head = 0; head < heads; head += 1) {
    const parts = Array.from({ length: splits }, (_, split) => head * splits + split);
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
  const splits = attentionSplits(use.kvHeads);
  const parts = use.heads * splits;
  const outputs = random.activations(parts * use.headDim);
  const scales = new Float32Array(parts * 2);
  for (let part = 0; part < parts; part += 1) {
    const isEmpty = part % splits >= splits - emptyParts;
    scales.set(isEmpty ? [-1.0e30, 0] : [random.normal(4), random.uniform(1, 50)], part * 2);
    if (isEmpty) outputs.fill(0, part * use.headDim, (part + 1) * use.headDim);
  }
  const gates = use.gated ? randomGates(use.heads) : undefined;
  const reference = () => attentionCombineReference(use, outputs, scales, gates);
  const { summand } = use;
  const matrix = summand
    ? randomMatrix(summand.format, summand.rows, use.heads * use.headDim, 840)
    : undefined;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      split_outputs: outputs,
      split_scales: scales,
      ...(matrix ? { weights: matrix.gpu } : {}),
      ...(gates ? { gates } : {}),
    }),
    outputs: () =>
      matrix
        ? { summands: { values: summandsReference(use, matrix.values, reference()) } }
        : { out: { values: reference() } },
  };
}

export const attentionCombineCases: readonly KernelCase<AttentionCombineUse>[] = [
  toCase('every part filled', { heads: 9, kvHeads: 3, headDim: 64 }, 0),
  toCase('empty parts at the end', { heads: 3, kvHeads: 1, headDim: 80 }, 29),
  toCase('gated heads', { heads: 8, kvHeads: 2, headDim: 64, gated: true }, 3),
  toCase(
    'summands',
    { heads: 9, kvHeads: 3, headDim: 64, summand: { format: quantFormat('q4_0'), rows: 576 } },
    2,
  ),
  toCase(
    'summands, gated heads',
    {
      heads: 8,
      kvHeads: 2,
      headDim: 32,
      gated: true,
      summand: { format: quantFormat('q4_1'), rows: 67 },
    },
    0,
  ),
  toCase('one head', { heads: 1, kvHeads: 1, headDim: 256 }, 7),
];
