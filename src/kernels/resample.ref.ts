import { arenaWith, channelsOf, type MapValues, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { MapPlace } from './feature-map.ts';
import type { ResampleUse } from './resample.ts';

/** The output map in double precision. */
export function resampleReference(use: ResampleUse, x: MapValues): Float64Array {
  const { input, output, filter } = use;
  const channels = channelsOf(output);
  const y = new Float64Array(output.height * output.width * channels);
  const pixel = (row: number, column: number, channel: number): number => {
    const at = Math.min(row, input.height - 1) * input.width + Math.min(column, input.width - 1);
    return x[at * channels + channel] ?? 0;
  };
  y.forEach((_, i) => {
    const [at, channel] = [Math.floor(i / channels), i % channels];
    const [row, column] = [Math.floor(at / output.width), at % output.width];
    if (filter === 'nearest') {
      const fromRow = Math.floor((row * input.height) / output.height);
      y[i] = pixel(fromRow, Math.floor((column * input.width) / output.width), channel);
      return;
    }
    const down = Math.max(0, ((row + 0.5) * input.height) / output.height - 0.5);
    const across = Math.max(0, ((column + 0.5) * input.width) / output.width - 0.5);
    const [top, left] = [Math.floor(down), Math.floor(across)];
    const mix = (a: number, b: number, part: number): number => a + (b - a) * part;
    const above = mix(pixel(top, left, channel), pixel(top, left + 1, channel), across - left);
    const below = mix(
      pixel(top + 1, left, channel),
      pixel(top + 1, left + 1, channel),
      across - left,
    );
    y[i] = mix(above, below, down - top);
  });
  return y;
}

function toCase(
  name: string,
  filter: ResampleUse['filter'],
  groups: number,
  sizes: readonly [number, number, number, number],
  seed: number,
): KernelCase<ResampleUse> {
  const [height, width, toHeight, toWidth] = sizes;
  const input: MapPlace = { offset: 3, stride: groups + 2, groups, height, width };
  const output: MapPlace = {
    offset: 3 + height * width * input.stride,
    stride: groups + 1,
    groups,
    height: toHeight,
    width: toWidth,
  };
  const use: ResampleUse = { storage: 'f32', filter, input, output };
  const x = randomMap(input, new Random(seed));
  const numbers = (output.offset + toHeight * toWidth * output.stride) * 4;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ arena: arenaWith(new Float32Array(numbers), [[input, x]]) }),
    outputs: () => ({
      arena: {
        values: arenaWith(new Float64Array(numbers), [
          [input, x],
          [output, resampleReference(use, x)],
        ]),
      },
    }),
  };
}

export const resampleCases: readonly KernelCase<ResampleUse>[] = [
  toCase('twice as large', 'nearest', 3, [3, 5, 6, 10], 821),
  toCase('a copy', 'nearest', 5, [7, 3, 7, 3], 822),
  toCase('bilinear, larger', 'bilinear', 1, [5, 7, 13, 11], 823),
  toCase('bilinear, of one pixel', 'bilinear', 2, [1, 1, 3, 4], 824),
];
