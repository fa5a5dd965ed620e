import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSampler, type SamplerSettings, type SampleUse, sampledRing } from './sample.ts';

/**
 * The tokens that the filters keep, with their probabilities, in double precision. Order: repetition penalty,
 * temperature, top-k, top-p, min-p. Equals at a threshold are all kept.
 */
export function samplerDistribution(
  logits: ArrayLike<number>,
  settings: SamplerSettings,
  seen: ReadonlySet<number>,
): Map<number, number> {
  const { temperature, topK, topP, minP } = settings;
  const scaled = penalize(logits, settings.repetitionPenalty, seen).map((l) => l / temperature);
  const largest = Math.max(...scaled);
  let kept = scaled.map((logit, token) => ({ token, logit, mass: Math.exp(logit - largest) }));
  kept.sort((a, b) => b.logit - a.logit);
  if (topK > 0 && topK < kept.length) {
    const threshold = kept[topK - 1]?.logit ?? 0;
    kept = kept.filter(({ logit }) => logit >= threshold);
  }
  if (topP < 1) {
    const wanted = topP * kept.reduce((sum, { mass }) => sum + mass, 0);
    let mass = 0;
    const last = kept.findIndex((entry) => {
      mass += entry.mass;
      return mass >= wanted;
    });
    const threshold = kept[last]?.logit ?? Number.NEGATIVE_INFINITY;
    kept = kept.filter(({ logit }) => logit >= threshold);
  }
  kept = kept.filter(({ mass }) => minP === 0 || mass >= minP);
  const total = kept.reduce((sum, { mass }) => sum + mass, 0);
  return new Map(kept.map(({ token, mass }) => [token, mass / total]));
}

export function greedyToken(
  logits: ArrayLike<number>,
  repetitionPenalty: number,
  seen: ReadonlySet<number>,
): number {
  const penalized = penalize(logits, repetitionPenalty, seen);
  return penalized.indexOf(Math.max(...penalized));
}

function penalize(logits: ArrayLike<number>, penalty: number, seen: ReadonlySet<number>): number[] {
  return Array.from(logits, (logit, token) => {
    if (!seen.has(token)) return logit;
    return logit > 0 ? logit / penalty : logit * penalty;
  });
}

/** One bit a token. */
export function seenBits(vocabulary: number, seen: Iterable<number>): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(Math.ceil(vocabulary / 32));
  for (const token of seen) bits[token >> 5] = (bits[token >> 5] ?? 0) | (1 << (token & 31));
  return bits;
}

const off: SamplerSettings = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
};

function toCase(
  name: string,
  vocabulary: number,
  change: Partial<SamplerSettings>,
  seen: readonly number[],
  greedy: boolean,
  logits: Float32Array<ArrayBuffer> = new Random(vocabulary).activations(vocabulary),
): KernelCase<SampleUse> {
  const settings = { ...off, ...change };
  const position = 12;
  const rows = 5;
  const step = 3 + sampledRing;
  const ring = new Array<number>(sampledRing).fill(9);
  return {
    name,
    use: { vocabulary, greedy },
    rows: 1,
    inputs: () => ({
      logits,
      state: Uint32Array.of(position, rows, step, 0, 7, ...ring),
      seen: seenBits(vocabulary, seen),
      sampler: packSampler(settings),
    }),
    outputs: () => {
      const kept = new Set(seen);
      const token = greedy
        ? greedyToken(logits, settings.repetitionPenalty, kept)
        : onlyToken(samplerDistribution(logits, settings, kept));
      const after = ring.with(step % sampledRing, token);
      const state = Float64Array.of(position + rows, 1, step + 1, 1, token, ...after);
      const bits = Float64Array.from(seenBits(vocabulary, [...seen, token]));
      return { state: { values: state, storage: 'u32' }, seen: { values: bits, storage: 'u32' } };
    },
  };
}

/** Cases with a random draw leave one token, so that the answer is exact. Distributions are tested apart. */
function onlyToken(distribution: ReadonlyMap<number, number>): number {
  const [token] = distribution.keys();
  if (token === undefined || distribution.size !== 1)
    throw new Error('the case keeps several tokens');
  return token;
}

const ties = new Float32Array(300).fill(-1);
ties[77] = 2;
ties[78] = 2;
const falling = Float32Array.from({ length: 1000 }, (_, i) => 5 - Math.abs(i - 600) * 0.7);

export const sampleCases: readonly KernelCase<SampleUse>[] = [
  toCase('greedy, ragged vocabulary', 1021, {}, [], true),
  toCase('greedy, first of equals', 300, {}, [], true, ties),
  toCase('greedy, the best is penalized', 1000, { repetitionPenalty: 3 }, [600, 5], true, falling),
  toCase(
    'greedy, all negative',
    257,
    {},
    [],
    true,
    new Random(9).activations(257).map((x) => -Math.abs(x) - 1),
  ),
  toCase('top-k of one', 1021, { topK: 1, temperature: 0.7 }, [], false),
  toCase('top-p keeps the first', 1000, { topP: 0.3 }, [], false, falling),
  toCase('min-p keeps the first', 1000, { minP: 0.6, temperature: 0.5 }, [], false, falling),
  toCase(
    'penalty before top-k',
    1000,
    { repetitionPenalty: 2, topK: 1 },
    [600],
    false,
    falling.map((x, i) => (i === 601 ? 4.9 : x)),
  ),
];
