import { arenaWith } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { MapPlace } from './feature-map.ts';
import { type FrameFormat, frameColours, frameLayout, hasPlanes } from './frame-format.ts';
import {
  type FrameColours,
  type FrameFit,
  fitFrame,
  noColours,
  packFrameSettings,
} from './frame-settings.ts';
import type { LetterboxUse } from './letterbox.ts';

/** A frame in memory, as `frameLayout` has it. */
export interface StoredFrame {
  format: FrameFormat;
  width: number;
  height: number;
  rowPixels: number;
  colours: FrameColours;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The input map [H, W, 4] in double precision. */
export function letterboxReference(
  frame: StoredFrame,
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
    const sums = inside ? [0, 0, 0] : [114 / 255, 114 / 255, 114 / 255];
    for (let i = 0; inside && i < across * down; i += 1) {
      const atX = clamp(x + ((i % across) + 0.5) / (scaleX * across), frame.width);
      const atY = clamp(y + (Math.floor(i / across) + 0.5) / (scaleY * down), frame.height);
      colourAt(frame, atX, atY).forEach((value, channel) => {
        sums[channel] = (sums[channel] ?? 0) + value / (across * down);
      });
    }
    values.set(sums, pixel * 4);
  }
  return values;
}

function colourAt(frame: StoredFrame, x: number, y: number): number[] {
  return hasPlanes(frame.format) ? colourOfPlanes(frame, x, y) : colourOfWords(frame, x, y);
}

function colourOfWords(frame: StoredFrame, x: number, y: number): number[] {
  const { format, width, height, rowPixels, bytes } = frame;
  const order = format.startsWith('B') ? [2, 1, 0] : [0, 1, 2];
  return order.map((channel) =>
    bilinear(x, y, width, height, (column, row) => {
      const at = (row * rowPixels + column) * 4;
      const alpha = format.endsWith('A') ? (bytes[at + 3] ?? 0) / 255 : 1;
      return ((bytes[at + channel] ?? 0) / 255) * alpha;
    }),
  );
}

function colourOfPlanes(frame: StoredFrame, x: number, y: number): number[] {
  const { format, width, height, rowPixels, bytes, colours } = frame;
  const [halfWidth, halfHeight] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const behind = rowPixels * height;
  const luma = bilinear(x, y, width, height, (column, row) => bytes[row * rowPixels + column] ?? 0);
  const [u = 0, v = 0] = [0, 1].map(
    (plane) =>
      bilinear(x / 2, y / 2, halfWidth, halfHeight, (column, row) => {
        const at =
          format === 'NV12'
            ? row * rowPixels + column * 2 + plane
            : (row + plane * halfHeight) * (rowPixels / 2) + column;
        return bytes[behind + at] ?? 0;
      }) - 128,
  );
  const grey = (luma - colours.lumaZero) * colours.lumaScale;
  const { redV, greenU, greenV, blueU } = colours;
  return [grey + redV * v, grey + greenU * u + greenV * v, grey + blueU * u].map((value) =>
    Math.min(Math.max(value, 0), 1),
  );
}

function bilinear(
  x: number,
  y: number,
  width: number,
  height: number,
  valueAt: (column: number, row: number) => number,
): number {
  const [fromX, fromY] = [Math.max(x - 0.5, 0), Math.max(y - 0.5, 0)];
  const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
  const texel = (column: number, row: number): number =>
    valueAt(Math.min(column, width - 1), Math.min(row, height - 1));
  const mix = (a: number, b: number, part: number): number => a + (b - a) * part;
  const above = mix(texel(left, top), texel(left + 1, top), fromX - left);
  const below = mix(texel(left, top + 1), texel(left + 1, top + 1), fromX - left);
  return mix(above, below, fromY - top);
}

interface CaseOptions {
  format?: FrameFormat;
  fit?: FrameFit;
  colours?: FrameColours;
  /** Pixels of a row in memory: more than the layout asks for, as a copy from a texture has it. */
  rowPixels?: number;
}

function toCase(
  name: string,
  [frameWidth, frameHeight]: readonly [number, number],
  [width, height]: readonly [number, number],
  seed: number,
  { format = 'RGBX', fit = 'letterbox', colours = noColours, ...given }: CaseOptions = {},
): KernelCase<LetterboxUse> {
  const random = new Random(seed);
  const layout = frameLayout(format, { width: frameWidth, height: frameHeight });
  const rowPixels = given.rowPixels ?? layout.rowPixels;
  const size = Math.max(layout.bytes, rowPixels * frameHeight * (hasPlanes(format) ? 1 : 4));
  const bytes = Uint8Array.from({ length: size }, () => random.uint32() & 255);
  const frame = { format, width: frameWidth, height: frameHeight, rowPixels, colours, bytes };
  const output: MapPlace = { offset: 2, stride: 1, groups: 1, height, width };
  const numbers = (2 + height * width) * 4;
  return {
    name,
    use: { storage: 'f32', format, output },
    rows: 1,
    inputs: () => ({
      settings: packFrameSettings({
        scoreThreshold: 0,
        overlapThreshold: 0,
        ...fitFrame(frame, output, fit),
        frameWidth,
        frameHeight,
        rowPixels,
        colours,
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

/** The colours of planes by the names of a colour space. */
export function planeColours(matrix: VideoMatrixCoefficients, fullRange: boolean): FrameColours {
  const colours = frameColours('I420', {
    primaries: 'bt709',
    transfer: 'bt709',
    matrix,
    fullRange,
  });
  if (!colours) throw new Error(`colours of '${matrix}' are not known`);
  return colours;
}

export const letterboxCases: readonly KernelCase<LetterboxUse>[] = [
  toCase('the same size', [64, 32], [64, 32], 871),
  toCase('wide, made smaller, rows with room between', [160, 48], [64, 32], 872, {
    rowPixels: 192,
  }),
  toCase('tall, made larger', [13, 29], [96, 64], 873),
  toCase('made much smaller', [300, 211], [32, 32], 874),
  toCase('stretched', [150, 29], [64, 32], 875, { fit: 'stretch' }),
  toCase('with opacity', [53, 31], [64, 32], 876, { format: 'RGBA' }),
  toCase('blue first', [53, 31], [64, 32], 877, { format: 'BGRX' }),
  toCase('blue first, with opacity', [53, 31], [64, 32], 878, { format: 'BGRA' }),
  toCase('three planes', [64, 32], [64, 32], 879, {
    format: 'I420',
    colours: planeColours('bt709', false),
  }),
  toCase('three planes of odd sides, made smaller', [131, 77], [64, 32], 880, {
    format: 'I420',
    colours: planeColours('smpte170m', true),
  }),
  toCase('two planes, made larger', [26, 18], [64, 32], 881, {
    format: 'NV12',
    colours: planeColours('bt470bg', false),
  }),
  toCase('two planes of odd sides, stretched', [37, 45], [32, 64], 882, {
    format: 'NV12',
    fit: 'stretch',
    colours: planeColours('bt709', true),
  }),
  toCase('one pixel of planes', [1, 1], [8, 8], 883, {
    format: 'I420',
    colours: planeColours('bt709', false),
  }),
];
