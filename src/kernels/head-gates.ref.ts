import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { padded, randomMatrix } from '../testing/weights.ts';
import type { HeadGatesUse } from './head-gates.ts';
import { dotRow, rmsScale } from './reference.ts';

type HeadGatesShape = Pick<HeadGatesUse, 'sharedHeads' | 'routedHeads' | 'active'>;

/** Gates [sharedHeads + routedHeads] of a token from the router's logits [2 + sharedHeads + routedHeads]. */
export function gatesOfLogits(
  { sharedHeads, active }: HeadGatesShape,
  logits: ArrayLike<number>,
): number[] {
  const all = Array.from(logits);
  const stage = softmax(all.slice(0, 2));
  const shared = softmax(all.slice(2, 2 + sharedHeads));
  const routed = softmax(all.slice(2 + sharedHeads));
  const best = routed
    .map((probability, head) => ({ probability, head }))
    .sort((a, b) => b.probability - a.probability || a.head - b.head)
    .slice(0, active);
  const total = best.reduce((sum, { probability }) => sum + probability, 0);
  const on = new Map(best.map(({ head, probability }) => [head, probability / total]));
  return [
    ...shared.map((probability) => 2 * (stage[0] as number) * sharedHeads * probability),
    ...routed.map((_, head) => 2 * (stage[1] as number) * active * (on.get(head) ?? 0)),
  ];
}

/** Gates [tokens, heads] in double precision: norm, router, two softmaxes, the best of the routed heads. */
export function headGatesReference(
  use: HeadGatesUse,
  router: Float64Array,
  x: Float32Array,
  norm: Float32Array,
): Float64Array {
  const { columns, epsilon, sharedHeads, routedHeads } = use;
  const gates: number[] = [];
  for (let at = 0; at < x.length; at += columns) {
    const row = x.subarray(at, at + columns);
    const scale = rmsScale(row, epsilon);
    const input = Float64Array.from(row, (value, k) => value * scale * (norm[k] ?? 0));
    const logits = Array.from({ length: 2 + sharedHeads + routedHeads }, (_, r) =>
      dotRow(router, r, input, columns),
    );
    gates.push(...gatesOfLogits(use, logits));
  }
  return Float64Array.from(gates);
}

function softmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

function toCase(
  name: string,
  tokens: number,
  columns: number,
  shape: HeadGatesShape,
  format = 'f32',
): KernelCase<HeadGatesUse> {
  const use: HeadGatesUse = { format: quantFormat(format), columns, epsilon: 1e-5, ...shape };
  const rows = 2 + shape.sharedHeads + shape.routedHeads;
  const random = new Random(900 + columns + tokens);
  const router = randomMatrix(use.format, rows, columns, 901 + columns);
  const x = random.activations(tokens * columns, 3);
  const norm = random.activations(columns);
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      weights: router.gpu,
      x: padded(x, tokens),
      norm_weight: padded(norm),
    }),
    outputs: () => ({ gates: { values: headGatesReference(use, router.values, x, norm) } }),
  };
}

export const headGatesCases: readonly KernelCase<HeadGatesUse>[] = [
  toCase('one token', 1, 64, { sharedHeads: 4, routedHeads: 4, active: 2 }),
  toCase('many tokens', 37, 512, { sharedHeads: 4, routedHeads: 4, active: 2 }),
  toCase('one shared head, padded columns', 3, 172, { sharedHeads: 1, routedHeads: 8, active: 5 }),
  toCase('every head on', 5, 96, { sharedHeads: 3, routedHeads: 6, active: 6 }),
  toCase('32 heads, halves', 2, 320, { sharedHeads: 16, routedHeads: 16, active: 8 }, 'f16'),
];
