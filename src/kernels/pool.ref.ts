import { arenaWith, channelsOf, type MapValues, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { MapPlace } from './feature-map.ts';
import type { PoolUse } from './pool.ts';

/** The output map in double precision. */
export function poolReference(use: PoolUse, x: MapValues): Float64Array {
  const { input, output, window, stride, kind } = use;
  const channels = channelsOf(output);
  const y = new Float64Array(output.height * output.width * channels);
  const half = Math.floor(window / 2);
  y.forEach((_, i) => {
    const [pixel, channel] = [Math.floor(i / channels), i % channels];
    const [row, column] = [Math.floor(pixel / output.width), pixel % output.width];
    const seen: number[] = [];
    for (let tap = 0; tap < window * window; tap += 1) {
      const fromRow = row * stride - half + Math.floor(tap / window);
      const fromColumn = column * stride - half + (tap % window);
      if (fromRow < 0 || fromColumn < 0 || fromRow >= input.height || fromColumn >= input.width)
        continue;
      seen.push(x[(fromRow * input.width + fromColumn) * channels + channel] ?? 0);
    }
    const sum = seen.reduce((total, value) => total + value, 0);
    y[i] = kind === 'maximum' ? Math.max(...seen) : sum / (window * window);
  });
  return y;
}

function toCase(
  name: string,
  shape: Pick<PoolUse, 'kind' | 'window' | 'stride'> & {
    groups: number;
    height: number;
    width: number;
  },
  seed: number,
): KernelCase<PoolUse> {
  const { groups, height, width, ...how } = shape;
  const input: MapPlace = { offset: 2, stride: groups + 1, groups, height, width };
  const output: MapPlace = {
    offset: 2 + height * width * input.stride,
    stride: groups,
    groups,
    height: Math.ceil(height / how.stride),
    width: Math.ceil(width / how.stride),
  };
  const use: PoolUse = { storage: 'f32', ...how, input, output };
  const x = randomMap(input, new Random(seed));
  const numbers = (output.offset + output.height * output.width * groups + 1) * 4;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ arena: arenaWith(new Float32Array(numbers), [[input, x]]) }),
    outputs: () => ({
      arena: {
        values: arenaWith(new Float64Array(numbers), [
          [input, x],
          [output, poolReference(use, x)],
        ]),
      },
    }),
  };
}

export const poolCases: readonly KernelCase<PoolUse>[] = [
  toCase(
    'maximum of 5 × 5',
    { kind: 'maximum', window: 5, stride: 1, groups: 3, height: 7, width: 11 },
    811,
  ),
  toCase(
    'maximum, smaller than its window',
    { kind: 'maximum', window: 5, stride: 1, groups: 1, height: 1, width: 2 },
    812,
  ),
  toCase(
    'mean of 3 × 3, stride 2',
    { kind: 'mean', window: 3, stride: 2, groups: 1, height: 9, width: 14 },
    813,
  ),
];
