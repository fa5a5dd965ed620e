import { arenaWith, channelsOf, type MapValues, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { ChannelAffineUse } from './channel-affine.ts';
import type { MapPlace } from './feature-map.ts';

/** The output map in double precision. `channels`: scales, then shifts, then slopes. */
export function channelAffineReference(
  { output }: ChannelAffineUse,
  x: MapValues,
  channels: Float32Array,
  residual?: MapValues,
): Float64Array {
  const count = channelsOf(output);
  return Float64Array.from(x, (value, i) => {
    const of = (part: number): number => channels[part * count + (i % count)] ?? 0;
    const moved = of(0) * (value + (residual?.[i] ?? 0)) + of(1);
    return moved < 0 ? moved * of(2) : moved;
  });
}

function toCase(
  name: string,
  [height, width, groups]: readonly [number, number, number],
  hasResidual: boolean,
  seed: number,
): KernelCase<ChannelAffineUse> {
  const random = new Random(seed);
  const pixels = height * width;
  const input: MapPlace = { offset: 2, stride: groups + 1, groups, height, width };
  const residual: MapPlace = { ...input, offset: 2 + pixels * input.stride, stride: groups };
  const output: MapPlace = {
    ...input,
    offset: residual.offset + pixels * groups,
    stride: groups + 2,
  };
  const use = { storage: 'f32' as const, input, output, ...(hasResidual ? { residual } : {}) };
  const [x, added] = [randomMap(input, random), randomMap(residual, random)];
  const channels = random.activations(groups * 12);
  const maps: [MapPlace, MapValues][] = [
    [input, x],
    [residual, added],
  ];
  const numbers = (output.offset + pixels * output.stride) * 4;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ arena: arenaWith(new Float32Array(numbers), maps), channels }),
    outputs: () => {
      const y = channelAffineReference(use, x, channels, hasResidual ? added : undefined);
      return { arena: { values: arenaWith(new Float64Array(numbers), [...maps, [output, y]]) } };
    },
  };
}

export const channelAffineCases: readonly KernelCase<ChannelAffineUse>[] = [
  toCase('one pixel', [1, 1, 1], false, 831),
  toCase('with residual', [7, 11, 5], true, 832),
];
