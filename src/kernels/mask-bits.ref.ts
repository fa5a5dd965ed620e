import { arenaWith, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { MapPlace } from './feature-map.ts';
import type { MaskBitsUse } from './mask-bits.ts';

function toCase(
  name: string,
  height: number,
  width: number,
  seed: number,
): KernelCase<MaskBitsUse> {
  const logits: MapPlace = { offset: 7, stride: 2, groups: 1, height, width };
  const values = randomMap(logits, new Random(seed));
  // Equal logits are background.
  values[1] = values[0] ?? 0;
  const words = (height * width) / 32;
  const firstWord = 3;
  return {
    name,
    use: { storage: 'f32', logits, firstWord },
    rows: 1,
    inputs: () => ({
      arena: arenaWith(new Float32Array((7 + height * width * 2) * 4), [[logits, values]]),
      bits: new Uint32Array(firstWord + words),
    }),
    outputs: () => {
      const bits = new Uint32Array(firstWord + words);
      for (let pixel = 0; pixel < height * width; pixel += 1) {
        const foreground = (values[pixel * 4 + 1] ?? 0) > (values[pixel * 4] ?? 0);
        const word = firstWord + Math.floor(pixel / 32);
        if (foreground) bits[word] = ((bits[word] ?? 0) | (1 << (pixel % 32))) >>> 0;
      }
      return { bits: { values: Float64Array.from(bits), storage: 'u32' } };
    },
  };
}

export const maskBitsCases: readonly KernelCase<MaskBitsUse>[] = [
  toCase('one word', 1, 32, 861),
  toCase('several rows', 13, 160, 862),
];
