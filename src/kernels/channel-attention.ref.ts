import { arenaWith, channelsOf, type MapValues, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { ChannelAttentionUse } from './channel-attention.ts';
import type { MapPlace } from './feature-map.ts';

/** The output map in double precision. */
export function channelAttentionReference(
  { input }: ChannelAttentionUse,
  x: MapValues,
  gamma: number,
): Float64Array {
  const channels = channelsOf(input);
  const pixels = input.height * input.width;
  const y = Float64Array.from(x);
  for (let own = 0; own < channels; own += 1) {
    const energies = Array.from({ length: channels }, (_, other) => {
      let sum = 0;
      for (let at = 0; at < pixels * channels; at += channels)
        sum += (x[at + own] ?? 0) * (x[at + other] ?? 0);
      return sum;
    });
    const least = Math.min(...energies);
    const weights = energies.map((energy) => Math.exp(least - energy));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let at = 0; at < pixels * channels; at += channels) {
      const mixed = weights.reduce((sum, weight, other) => sum + weight * (x[at + other] ?? 0), 0);
      y[at + own] = (x[at + own] ?? 0) + (gamma * mixed) / total;
    }
  }
  return y;
}

function toCase(
  name: string,
  [height, width, groups]: readonly [number, number, number],
  seed: number,
): KernelCase<ChannelAttentionUse> {
  const random = new Random(seed);
  const pixels = height * width;
  const input: MapPlace = { offset: 3, stride: groups + 1, groups, height, width };
  const output: MapPlace = { ...input, offset: 3 + pixels * input.stride, stride: groups + 2 };
  const use: ChannelAttentionUse = { storage: 'f32', input, output };
  // Small enough that several channels share a weight.
  const x = randomMap(input, random).map((value) => value / Math.sqrt(pixels));
  const gamma = Float32Array.of(0.58, 0, 0, 0);
  const numbers = (output.offset + pixels * output.stride) * 4;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ arena: arenaWith(new Float32Array(numbers), [[input, x]]), gamma }),
    outputs: () => {
      const y = channelAttentionReference(use, x, gamma[0] ?? 0);
      const maps: [MapPlace, MapValues][] = [
        [input, x],
        [output, y],
      ];
      return { arena: { values: arenaWith(new Float64Array(numbers), maps) } };
    },
  };
}

export const channelAttentionCases: readonly KernelCase<ChannelAttentionUse>[] = [
  toCase('one pixel, four channels', [1, 1, 1], 841),
  toCase('more pixels than lanes', [13, 17, 8], 842),
  toCase('groups that no workgroup divides by', [5, 3, 11], 843),
];
