import type { AvatarBody, FeatureMap, LinearLayer } from '../formats/avatar-body.ts';
import { corruptSplats, unsupportedSplats } from '../formats/splat-cloud.ts';
import {
  type BodyNetworksUse,
  firstRows,
  mostUnits,
  networkFrameHead,
  unitStep,
} from '../kernels/body-networks.ts';
import { numberToHalf } from '../quant/half.ts';
import { conditionLength, foldCondition } from './body-condition.ts';
import type { Homography } from './body-homography.ts';

/** What of a body its networks need. */
export type NetworkBody = Pick<
  AvatarBody,
  | 'image'
  | 'pad'
  | 'coarse'
  | 'latents'
  | 'warp'
  | 'fine'
  | 'frequencies'
  | 'poseJoints'
  | 'landmarks'
>;

/** The kernel's sizes for a body. Throws `model-corrupt` and `model-unsupported`. */
export function networksUse(
  body: NetworkBody,
  { width, height }: { width: number; height: number },
): BodyNetworksUse {
  const { image, pad, latents, warp, fine, frequencies } = body;
  const widest = Math.max(...[...warp, ...fine].slice(0, -1).map(({ outputs }) => outputs));
  if (widest > mostUnits) {
    throw unsupportedSplats(
      'avatar-body',
      `A body with networks of ${widest} units`,
      `Train it with at most ${mostUnits}, or load the avatar with { body: 'texture' }.`,
    );
  }
  const latentPairs = Math.ceil(latents.channels / 2);
  const hidden = Math.ceil(widest / unitStep) * unitStep;
  const octaves = frequencies.uv;
  const condition = conditionLength(body);
  const own = [warp[0]?.inputs, fine[0]?.inputs].map((inputs = 0) => inputs - condition);
  if (own[0] !== 2 + 4 * octaves || own[1] !== latents.channels) {
    throw corruptSplats('avatar-body', 'its networks have other inputs than its frequencies say');
  }
  return { width, height, image, pad, octaves, latentPairs, latentSize: latents.size, hidden };
}

/**
 * Both networks as the kernel reads them, units eight by eight: rows of the first layer (its bias comes with a frame); of three layers the
 * bias and the rows; of the last one a row for each output, and eight numbers that begin with its biases. Units that are missing are 0.
 */
export function packNetworks(body: NetworkBody): Float32Array<ArrayBuffer> {
  const use = networksUse(body, { width: 1, height: 1 });
  const rows = firstRows(use);
  return Float32Array.from([
    ...networkRows(body.warp, rows.warp, 2 + 4 * use.octaves, use.hidden),
    ...networkRows(body.fine, rows.fine, body.latents.channels, use.hidden),
  ]);
}

function* networkRows(
  layers: readonly LinearLayer[],
  rows: number,
  own: number,
  hidden: number,
): Generator<number> {
  const row = (count: number, value: (unit: number) => number): number[] =>
    Array.from({ length: count }, (_, unit) => value(unit));
  for (const [i, { inputs, outputs, weight, bias }] of layers.entries()) {
    const at = (output: number, input: number): number =>
      output < outputs && input < inputs ? (weight[output * inputs + input] as number) : 0;
    if (i === layers.length - 1) {
      for (let output = 0; output < outputs; output += 1) {
        yield* row(hidden, (unit) => at(output, unit));
      }
      yield* row(8, (output) => bias[output] ?? 0);
      continue;
    }
    if (i > 0) yield* row(hidden, (unit) => bias[unit] ?? 0);
    for (let input = 0; input < (i === 0 ? rows : hidden); input += 1) {
      // Behind its own inputs the first layer has those of the frame.
      yield* row(hidden, (unit) => (i === 0 && input >= own ? 0 : at(unit, input)));
    }
  }
}

/** [size, size] R, G, B, A in bytes. */
export function packCoarse({ size, values }: FeatureMap): Uint32Array<ArrayBuffer> {
  const texels = size * size;
  const bytes = Uint8ClampedArray.from(
    { length: texels * 4 },
    (_, i) => (values[(i % 4) * texels + (i >> 2)] as number) * 255,
  );
  return new Uint32Array(bytes.buffer);
}

/** [size, size, pairs of channels] halves. */
export function packLatents({ channels, size, values }: FeatureMap): Uint32Array<ArrayBuffer> {
  const [texels, stride] = [size * size, Math.ceil(channels / 2) * 2];
  const halves = Uint16Array.from({ length: texels * stride }, (_, i) =>
    i % stride < channels
      ? numberToHalf(values[(i % stride) * texels + Math.floor(i / stride)] as number)
      : 0,
  );
  return new Uint32Array(halves.buffer);
}

/** Displacement fields, [2, size, size]: x and y of two fields, halves. What is missing is 0. */
export function packFields(fields: FeatureMap | null, size: number): Uint16Array<ArrayBuffer> {
  const texels = size * size;
  return Uint16Array.from({ length: 2 * texels * 4 }, (_, i) => {
    const channel = Math.floor(i / (texels * 4)) * 4 + (i % 4);
    const texel = (i >> 2) % texels;
    return numberToHalf(fields?.values[channel * texels + texel] ?? 0);
  });
}

/**
 * Where the networks are asked: least and most u and v of the coarse colour's alpha, wider by the pad, in which the warp may differ
 * from the homography.
 */
export function bodyReach({ coarse, image, pad }: NetworkBody): readonly number[] {
  const { size, values } = coarse;
  const alpha = values.subarray(3 * size * size);
  let [left, top, right, bottom] = [size, size, 0, 0];
  alpha.forEach((value, i) => {
    if (value === 0) return;
    const [x, y] = [i % size, Math.floor(i / size)];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  });
  const least = (texel: number): number => (Math.max(0, texel - pad) - pad) / image;
  const most = (texel: number): number => (Math.min(size, texel + 1 + pad) - pad) / image;
  return [least(left), least(top), most(right), most(bottom)];
}

/** What a frame's uniform holds. */
export interface NetworkFrame {
  /** Of the picture. */
  width: number;
  height: number;
  /** Picture → where the networks take a pixel to be. */
  training: Homography;
  /** Picture → texture. */
  texture: Homography;
  reach: readonly number[];
  condition: Float64Array;
}

export function networkFrameFloats({ hidden }: BodyNetworksUse): number {
  return networkFrameHead + 2 * hidden;
}

/** Fills the uniform of a frame. */
export function fillNetworkFrame(
  into: Float32Array,
  { warp, fine }: NetworkBody,
  { width, height, training, texture, reach, condition }: NetworkFrame,
): void {
  fillRows(into, 0, training);
  fillRows(into, 12, texture);
  into.set(reach, 24);
  into[28] = width;
  into[29] = height;
  foldCondition(warp[0] as LinearLayer, condition, into, networkFrameHead);
  foldCondition(fine[0] as LinearLayer, condition, into, (networkFrameHead + into.length) / 2);
}

/** Rows of a homography, four floats each. */
export function fillRows(into: Float32Array, at: number, matrix: Homography): void {
  for (let i = 0; i < 9; i += 1) into[at + i + Math.floor(i / 3)] = matrix[i] as number;
}
