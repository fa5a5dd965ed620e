import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves } from '../testing/weights.ts';
import { randomGates } from './head-rows.ref.ts';
import { randomBases, randomWidths, unproject } from './kv-project.ref.ts';
import { packHeadWidths } from './kv-project.ts';
import type { KvUnprojectUse } from './kv-unproject.ts';

function toCase(
  name: string,
  change: Partial<KvUnprojectUse>,
  tokens: number,
): KernelCase<KvUnprojectUse> {
  const use: KvUnprojectUse = { heads: 4, kvHeads: 2, headDim: 32, ...change };
  const { heads, kvHeads, headDim } = use;
  const random = new Random(1600 + tokens);
  const widths = randomWidths({ ...use, contextLength: 1 });
  const narrow = random
    .activations(tokens * heads * headDim)
    .map((value, i) => (i % headDim < widthOf(Math.floor(i / headDim) % heads) ? value : 0));
  const bases = randomBases(2 * kvHeads, headDim, 1601);
  const mean = random.activations(kvHeads * headDim);
  const gates = use.gated ? randomGates(tokens * heads) : undefined;
  function kvHeadOf(head: number): number {
    return Math.floor(head / (heads / kvHeads));
  }
  function widthOf(head: number): number {
    return widths[kvHeadOf(head)]?.values ?? 0;
  }
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(3, tokens, 0, 0, 0),
      narrow,
      basis: asHalves(bases),
      mean,
      head_widths: packHeadWidths(widths),
      ...(gates ? { gates } : {}),
    }),
    outputs: () => {
      const out = new Float64Array(narrow.length);
      for (let i = 0; i < tokens * heads; i += 1) {
        const kvHead = kvHeadOf(i % heads);
        const first = (kvHeads + kvHead) * headDim * headDim;
        const basis = Float64Array.from(bases.subarray(first, first + headDim * headDim));
        const attended = Float64Array.from(narrow.subarray(i * headDim, (i + 1) * headDim));
        const whole = unproject(basis, attended).map(
          (value, d) => (value + (mean[kvHead * headDim + d] ?? 0)) * (gates?.[i] ?? 1),
        );
        out.set(whole, i * headDim);
      }
      return { out: { values: out, storage: use.output ?? 'f32' } };
    },
  };
}

export const kvUnprojectCases: readonly KernelCase<KvUnprojectUse>[] = [
  toCase('a step', {}, 1),
  toCase('gated heads of a pass, halves', { headDim: 64, gated: true, output: 'f16' }, 5),
  toCase('three KV heads', { heads: 9, kvHeads: 3, headDim: 64 }, 3),
];
