import type { AvatarBody } from '../formats/avatar-body.ts';
import { fieldsAt } from '../splats/body-displacement.ts';

/** What of a body the reference needs (formats/avatar-body.ts). */
export interface ReferenceBody {
  image: number;
  pad: number;
  /** R, G, B and straight alpha: [4, size, size]. */
  coarse: { size: number; values: Float32Array };
}

/** R, G, B and straight alpha. */
export type Rgba = [number, number, number, number];

/** What a baked texture made of the coarse one, in bytes as an image file has them, shows at texture coordinates: straight alpha. */
export function bakedTexel({ coarse, image, pad }: ReferenceBody, u: number, v: number): Rgba {
  const [x, y] = [u * image + pad - 0.5, v * image + pad - 0.5];
  const { size, values } = coarse;
  if (Math.min(x, y) < -0.5 || Math.max(x, y) > size - 0.5) return [0, 0, 0, 0];
  const texel = (column: number, row: number, channel: number): number => {
    const clamped = (at: number): number => Math.min(size - 1, Math.max(0, at));
    const at = (channel * size + clamped(row)) * size + clamped(column);
    return Math.round((values[at] as number) * 255) / 255;
  };
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, below] = [x - left, y - top];
  return [0, 1, 2, 3].map(
    (channel) =>
      (texel(left, top, channel) * (1 - right) + texel(left + 1, top, channel) * right) *
        (1 - below) +
      (texel(left, top + 1, channel) * (1 - right) + texel(left + 1, top + 1, channel) * right) *
        below,
  ) as Rgba;
}

/** Opacity left of the texture, which fades over its pad: 0 at its edge, 1 inside the picture of training. */
export function edgeFade(
  { image, pad }: Pick<ReferenceBody, 'image' | 'pad'>,
  u: number,
  v: number,
): number {
  const inside = Math.min(u, v, 1 - u, 1 - v) * image + pad;
  const share = Math.min(1, Math.max(0, inside / Math.max(pad, 1e-6)));
  return share * share * (3 - 2 * share);
}

/** The place x, y through a homography; null behind its horizon. */
export function through(h: ArrayLike<number>, x: number, y: number): [number, number] | null {
  const row = (at: number): number =>
    (h[at] as number) * x + (h[at + 1] as number) * y + (h[at + 2] as number);
  return row(6) > 0 ? [row(0) / row(6), row(3) / row(6)] : null;
}

/** Where the path without networks looks in the texture: through the homography, and by what displacement fields say there, each times its share. */
export function displaced(
  body: Pick<AvatarBody, 'image' | 'pad' | 'fields'>,
  h: ArrayLike<number>,
  shares: ArrayLike<number>,
  x: number,
  y: number,
): [number, number] | null {
  const place = through(h, x, y);
  if (!place || !body.fields) return place;
  const [u, v] = place;
  const found = fieldsAt(body.fields, body, u, v);
  const along = (axis: number): number =>
    found.reduce(
      (sum, value, i) => (i % 2 === axis ? sum + value * (shares[i >> 1] ?? 0) : sum),
      0,
    );
  return [u + along(0), v + along(1)];
}

/** What the baked texture shows at picture coordinates x and y: straight alpha. */
export function bakedAt(
  body: ReferenceBody & Pick<AvatarBody, 'fields'>,
  h: ArrayLike<number>,
  shares: ArrayLike<number>,
  x: number,
  y: number,
): Rgba {
  const place = displaced(body, h, shares, x, y);
  if (!place) return [0, 0, 0, 0];
  const [red, green, blue, alpha] = bakedTexel(body, ...place);
  return [red, green, blue, alpha * edgeFade(body, ...place)];
}

/**
 * Puts a body, of which `colorAt` says straight alpha at picture coordinates, beneath a picture [height, width, 4] whose colours are
 * multiplied by alpha, in double precision.
 */
export function addBodyReference(
  picture: Float64Array,
  colorAt: (x: number, y: number) => Rgba,
  { width, height }: { width: number; height: number },
): void {
  for (let i = 0; i < width * height; i += 1) {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    const color = colorAt(x, y);
    const left = 1 - (picture[i * 4 + 3] as number);
    for (let channel = 0; channel < 4; channel += 1) {
      const under = color[3] * (channel === 3 ? 1 : (color[channel] as number));
      picture[i * 4 + channel] = (picture[i * 4 + channel] as number) + left * under;
    }
  }
}
