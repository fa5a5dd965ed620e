import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { axisEnds } from './axis-ends.ts';

/** As `axisEnds`, by sorting all. */
function sortedEnds(positions: Float32Array, axis: number, outside: number): number[] {
  const values = positions.filter((value, i) => i % 3 === axis && Number.isFinite(value)).sort();
  if (values.length === 0) return [0, 0];
  const cut = Math.min(Math.floor((positions.length / 3) * outside), (values.length - 1) >> 1);
  return [values[cut] as number, values[values.length - 1 - cut] as number];
}

describe('the ends of an axis', () => {
  const random = new Random(7);
  const cloud = (count: number, value: () => number): Float32Array =>
    Float32Array.from({ length: count * 3 }, value);
  const cases: [string, Float32Array][] = [
    ['an even cloud', cloud(20_000, () => random.uniform(-1, 1))],
    ['a dense one with a few far away', cloud(20_000, () => random.uniform(-1, 1) ** 25 * 1e6)],
    [
      'what is not finite',
      cloud(999, () => [Number.NaN, 1 / 0, -1 / 0, random.uniform(0, 9)][random.uint32() % 4] ?? 0),
    ],
    ['nothing finite', cloud(5, () => Number.NaN)],
    ['one place', cloud(100, () => 3)],
    ['one splat', cloud(1, () => random.uniform(-1, 1))],
    ['two splats', cloud(2, () => random.uniform(-1, 1))],
    ['none', cloud(0, () => 0)],
  ];
  it.each(cases)('are those of the sorted numbers: %s', (_, positions) => {
    for (const outside of [0, 0.02, 0.3, 0.5]) {
      for (const axis of [0, 1, 2]) {
        expect(axisEnds(positions, axis, outside)).toEqual(sortedEnds(positions, axis, outside));
      }
    }
  });
});
