import type { AvatarBody, FeatureMap, LinearLayer } from '../formats/avatar-body.ts';

/** What of a body the networks need. */
export type NetworkBody = Pick<
  AvatarBody,
  'image' | 'pad' | 'coarse' | 'latents' | 'warp' | 'fine' | 'frequencies'
>;

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

/** What both networks say of a pixel at training coordinates: its colour, straight alpha, and the way to its place in the texture. */
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
