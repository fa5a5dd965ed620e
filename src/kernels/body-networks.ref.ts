import type { FeatureMap, LinearLayer } from '../formats/avatar-body.ts';
import { conditionLength } from '../splats/body-condition.ts';
import type { Homography } from '../splats/body-homography.ts';
import {
  bodyReach,
  fillNetworkFrame,
  type NetworkBody,
  type NetworkFrame,
  networkFrameFloats,
  networksUse,
  packCoarse,
  packLatents,
  packNetworks,
} from '../splats/body-pack.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { BodyNetworksUse } from './body-networks.ts';
import { edgeFade, type Rgba, through } from './body-under.ref.ts';

/** PE(x, L) = [x, sin(2ᵏπx), cos(2ᵏπx)], each over all of x. */
function encodePositions(x: readonly number[], octaves: number): number[] {
  const encoded = [...x];
  for (let k = 0; k < octaves; k += 1) {
    const angles = x.map((value) => value * Math.PI * 2 ** k);
    encoded.push(...angles.map(Math.sin), ...angles.map(Math.cos));
  }
  return encoded;
}

/** tanh of layers with ReLU between. */
function runNetwork(layers: readonly LinearLayer[], inputs: readonly number[]): number[] {
  let values: readonly number[] = inputs;
  layers.forEach(({ inputs: width, outputs, weight, bias }, layer) => {
    const given = layer === 0 ? values : values.map((value) => Math.max(0, value));
    values = Array.from({ length: outputs }, (_, row) =>
      given.reduce(
        (sum, value, i) => sum + value * (weight[row * width + i] as number),
        bias[row] as number,
      ),
    );
  });
  return values.map(Math.tanh);
}

/** Bilinear, at texture coordinates; texels beyond the map are 0. */
function sampleMap(
  { channels, size, values }: FeatureMap,
  { image, pad }: { image: number; pad: number },
  u: number,
  v: number,
): number[] {
  const texels = size / (image + 2 * pad);
  const [x, y] = [(u * image + pad) * texels - 0.5, (v * image + pad) * texels - 0.5];
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const taps = [0, 1, 2, 3].map((tap) => {
    const [column, row] = [left + (tap & 1), top + (tap >> 1)];
    const inside = column >= 0 && row >= 0 && column < size && row < size;
    const share = Math.abs(1 - (tap & 1) - (x - left)) * Math.abs(1 - (tap >> 1) - (y - top));
    return { at: inside ? row * size + column : 0, share: inside ? share : 0 };
  });
  return Array.from({ length: channels }, (_, channel) =>
    taps.reduce(
      (sum, { at, share }) => sum + share * (values[channel * size * size + at] as number),
      0,
    ),
  );
}

/** What both networks say of a pixel that they take to be at u and v: its colour, straight alpha, and the way to its place in the texture. */
export function bodyThroughNetworks(
  body: NetworkBody,
  condition: readonly number[],
  u: number,
  v: number,
): { color: number[]; alpha: number; displacement: number[] } {
  const encoded = encodePositions([2 * u - 1, 2 * v - 1], body.frequencies.uv);
  const displacement = runNetwork(body.warp, [...encoded, ...condition]);
  const [x, y] = [u + (displacement[0] as number), v + (displacement[1] as number)];
  const coarse = sampleMap(body.coarse, body, x, y);
  const fine = runNetwork(body.fine, [...sampleMap(body.latents, body, x, y), ...condition]);
  const color = fine.map((value, i) => Math.min(1, Math.max(0, value + (coarse[i] as number))));
  return { color, alpha: coarse[3] as number, displacement };
}

/** What the networks show at picture coordinates x and y: straight alpha. */
export function networksAt(
  body: NetworkBody,
  frame: Omit<NetworkFrame, 'width' | 'height'>,
  x: number,
  y: number,
): Rgba {
  const { training, texture, reach, condition } = frame;
  const [guess, seen] = [through(texture, x, y), through(training, x, y)];
  if (!guess || !seen) return [0, 0, 0, 0];
  const inside = guess.every(
    (at, i) => at >= (reach[i] as number) && at <= (reach[i + 2] as number),
  );
  if (!inside) return [0, 0, 0, 0];
  const { color, alpha, displacement } = bodyThroughNetworks(body, [...condition], ...seen);
  const [u, v] = seen.map((at, i) => at + (displacement[i] as number)) as [number, number];
  return [...(color as [number, number, number]), alpha * edgeFade(body, u, v)];
}

/** [height, width] R, G, B and straight alpha, as bytes; no colour where there is no alpha. */
export function bodyNetworksReference(body: NetworkBody, frame: NetworkFrame): Float64Array {
  const { width, height } = frame;
  const bytes = new Float64Array(width * height * 4);
  for (let i = 0; i < width * height; i += 1) {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    const color = networksAt(body, frame, x, y);
    if (color[3] > 0)
      bytes.set(
        color.map((value) => value * 255),
        i * 4,
      );
  }
  return bytes;
}

interface MadeUp {
  image: number;
  pad: number;
  octaves: number;
  latents: number;
  hidden: number;
  /** Joints and landmarks whose places the networks see. */
  joints: number;
  landmarks: number;
  conditionOctaves: number;
  seed: number;
}

/** Random networks that move a pixel by a few texels; the body fills the lower part of its texture. */
function madeUpBody(options: MadeUp): NetworkBody {
  const { image, pad, octaves, latents, hidden, joints, seed } = options;
  const random = new Random(seed);
  const size = image + 2 * pad;
  const deep = options.conditionOctaves;
  const seen = {
    frequencies: { uv: octaves, pose: deep, translation: deep, landmarks: deep },
    poseJoints: Array.from({ length: joints }, (_, i) => `joint ${i}`),
    landmarks: {
      count: options.landmarks,
      positions: new Float32Array(),
      joints: new Uint16Array(),
      weights: new Float32Array(),
    },
  };
  const condition = conditionLength(seen);
  const map = (channels: number, side: number, value: (i: number) => number): FeatureMap => ({
    channels,
    size: side,
    values: Float32Array.from({ length: channels * side * side }, (_, i) => value(i)),
  });
  const network = (inputs: number, outputs: number): LinearLayer[] =>
    [inputs, hidden, hidden, hidden, hidden].map((width, i) => {
      const rows = i === 4 ? outputs : hidden;
      const spread = (i === 4 ? 0.15 : 1.4) / Math.sqrt(width);
      return {
        inputs: width,
        outputs: rows,
        weight: Float32Array.from({ length: rows * width }, () => random.normal(spread)),
        bias: Float32Array.from({ length: rows }, () => random.normal(0.05)),
      };
    });
  const alphaAt = (i: number): number => Math.min(1, Math.max(0, (Math.floor(i / size) - 6) / 8));
  return {
    image,
    pad,
    ...seen,
    coarse: map(4, size, (i) =>
      i < 3 * size * size ? random.uniform() : alphaAt(i - 3 * size * size),
    ),
    latents: map(latents, Math.ceil(size / 3), () => random.normal()),
    warp: network(2 + 4 * octaves + condition, 2),
    fine: network(latents + condition, 3),
  };
}

const aslant = Float64Array.of(1.3, 0.1, -0.2, -0.1, 1.2, -0.1, 0.2, -0.1, 1);
const straight = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
/** The lower right of the picture is behind its horizon. */
const horizon = Float64Array.of(1, 0, 0, 0, 1, 0, -0.7, -0.7, 1);

function toCase(
  name: string,
  options: MadeUp,
  { width, height }: { width: number; height: number },
  matrix: Homography,
): KernelCase<BodyNetworksUse> {
  const body = madeUpBody(options);
  const use = networksUse(body, { width, height });
  const random = new Random(options.seed + 1);
  const condition = Float64Array.from({ length: conditionLength(body) }, () => random.normal());
  // The texture's homography is a little off, as anchors are.
  const texture = matrix.map((value, i) => value + (i === 2 ? 0.02 : 0));
  const frame = { width, height, training: matrix, texture, reach: bodyReach(body), condition };
  const values = new Float32Array(networkFrameFloats(use));
  fillNetworkFrame(values, body, frame);
  return {
    name,
    use,
    rows: 1,
    tolerance: { nmse: 1e-4, because: 'the picture, and the coarse colour, are rounded to bytes' },
    inputs: () => ({
      frame: values,
      weights: packNetworks(body),
      coarse: packCoarse(body.coarse),
      latents: packLatents(body.latents),
    }),
    outputs: () => ({
      image: { values: bodyNetworksReference(body, frame), storage: 'u8' as const },
    }),
  };
}

const small: MadeUp = {
  image: 40,
  pad: 4,
  octaves: 3,
  latents: 4,
  hidden: 16,
  joints: 0,
  landmarks: 2,
  conditionOctaves: 0,
  seed: 41,
};

export const bodyNetworksCases: readonly KernelCase<BodyNetworksUse>[] = [
  toCase('tiles cut at the edges, units filled up', small, { width: 29, height: 23 }, aslant),
  toCase(
    'the sizes of a trained body',
    {
      ...small,
      image: 64,
      pad: 6,
      octaves: 6,
      latents: 8,
      hidden: 128,
      joints: 2,
      landmarks: 4,
      conditionOctaves: 2,
    },
    { width: 32, height: 24 },
    straight,
  ),
  toCase(
    'more rows before than within, no pad, an odd latent',
    { ...small, pad: 0, octaves: 16, latents: 7, hidden: 33, seed: 43 },
    { width: 16, height: 16 },
    straight,
  ),
  toCase('behind the horizon', { ...small, seed: 45 }, { width: 24, height: 24 }, horizon),
];
