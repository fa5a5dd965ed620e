import { arenaWith } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { MapPlace } from './feature-map.ts';
import { type FrameFit, fitFrame, packFrameSettings } from './frame-settings.ts';
import type { LetterboxUse } from './letterbox.ts';

interface Frame {
  width: number;
  height: number;
  rowPixels: number;
  /** RGBA. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** The input map [H, W, 4] in double precision. */
export function letterboxReference(
  frame: Frame,
  output: MapPlace,
  fit: FrameFit = 'letterbox',
): Float64Array {
  const { scaleX, scaleY, left, top } = fitFrame(frame, output, fit);
  const samplesOf = (scale: number): number => Math.min(4, Math.max(1, Math.ceil(1 / scale)));
  const [across, down] = [samplesOf(scaleX), samplesOf(scaleY)];
  const values = new Float64Array(output.height * output.width * 4);
  const clamp = (value: number, end: number): number => Math.min(Math.max(value, 0), end);
  for (let pixel = 0; pixel < output.height * output.width; pixel += 1) {
    const x = ((pixel % output.width) - left) / scaleX;
    const y = (Math.floor(pixel / output.width) - top) / scaleY;
    const [centreX, centreY] = [x + 0.5 / scaleX, y + 0.5 / scaleY];
    const inside = centreX >= 0 && centreY >= 0 && centreX < frame.width && centreY < frame.height;
    for (let channel = 0; channel < 3; channel += 1) {
      let sum = inside ? 0 : 114 / 255;
      for (let i = 0; inside && i < across * down; i += 1) {
        const atX = clamp(x + ((i % across) + 0.5) / (scaleX * across), frame.width);
        const atY = clamp(y + (Math.floor(i / across) + 0.5) / (scaleY * down), frame.height);
        sum += bilinear(frame, atX, atY, channel) / (across * down);
      }
      values[pixel * 4 + channel] = sum;
    }
  }
  return values;
}

function bilinear(frame: Frame, x: number, y: number, channel: number): number {
  const [fromX, fromY] = [Math.max(x - 0.5, 0), Math.max(y - 0.5, 0)];
  const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
  const texel = (column: number, row: number): number => {
    const at =
      Math.min(row, frame.height - 1) * frame.rowPixels + Math.min(column, frame.width - 1);
    return (frame.bytes[at * 4 + channel] ?? 0) / 255;
  };
  const mix = (a: number, b: number, part: number): number => a + (b - a) * part;
  const above = mix(texel(left, top), texel(left + 1, top), fromX - left);
  const below = mix(texel(left, top + 1), texel(left + 1, top + 1), fromX - left);
  return mix(above, below, fromY - top);
}

function toCase(
  name: string,
  [frameWidth, frameHeight]: readonly [number, number],
  [width, height]: readonly [number, number],
  seed: number,
  fit: FrameFit = 'letterbox',
): KernelCase<LetterboxUse> {
  const random = new Random(seed);
  const rowPixels = Math.ceil(frameWidth / 64) * 64;
  const bytes = Uint8Array.from(
    { length: rowPixels * frameHeight * 4 },
    () => random.uint32() & 255,
  );
  const frame = { width: frameWidth, height: frameHeight, rowPixels, bytes };
  const output: MapPlace = { offset: 2, stride: 1, groups: 1, height, width };
  const numbers = (2 + height * width) * 4;
  return {
    name,
    use: { storage: 'f32', output },
    rows: 1,
    inputs: () => ({
      settings: packFrameSettings({
        scoreThreshold: 0,
        overlapThreshold: 0,
        ...fitFrame(frame, output, fit),
        frameWidth,
        frameHeight,
        rowPixels,
      }),
      frame: bytes,
      arena: arenaWith(new Float32Array(numbers), []),
    }),
    outputs: () => ({
      arena: {
        values: arenaWith(new Float64Array(numbers), [
          [output, letterboxReference(frame, output, fit)],
        ]),
      },
    }),
  };
}

export const letterboxCases: readonly KernelCase<LetterboxUse>[] = [
  toCase('the same size', [64, 32], [64, 32], 871),
  toCase('wide, made smaller', [160, 48], [64, 32], 872),
  toCase('tall, made larger', [13, 29], [96, 64], 873),
  toCase('made much smaller', [300, 211], [32, 32], 874),
  toCase('stretched', [150, 29], [64, 32], 875, 'stretch'),
];
