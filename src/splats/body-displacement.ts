import type { AvatarBody, FeatureMap } from '../formats/avatar-body.ts';
import { mostFields } from '../formats/avatar-body.ts';
import type { Homography } from './body-homography.ts';

/**
 * How far a field moves the anchors at most (root of mean squares, in texture coordinates): five times what the strongest one does in
 * training. Seen from further aside than in training, homographies leave more than fields can tell, and unbounded ones tear the picture.
 */
const mostMoved = 2 / 512;

/** What of a body its displacement fields need. */
export type DisplacedBody = Pick<AvatarBody, 'image' | 'pad' | 'fields' | 'targets'>;

/** What the displacement fields say at texture coordinates: bilinear, the same beyond the edge as on it; x and y of each field. */
export function fieldsAt(
  { channels, size, values }: FeatureMap,
  { image, pad }: { image: number; pad: number },
  u: number,
  v: number,
): number[] {
  const texels = size / (image + 2 * pad);
  const clamped = (at: number): number =>
    Math.min(size - 1, Math.max(0, (at * image + pad) * texels - 0.5));
  const [x, y] = [clamped(u), clamped(v)];
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [Math.min(left + 1, size - 1), Math.min(top + 1, size - 1)];
  return Array.from({ length: channels }, (_, channel) => {
    const texel = (column: number, row: number): number =>
      values[(channel * size + row) * size + column] as number;
    const across = (row: number): number =>
      texel(left, row) + (x - left) * (texel(right, row) - texel(left, row));
    return across(top) + (y - top) * (across(bottom) - across(top));
  });
}

/**
 * How much of each displacement field a frame has: the least squares of what its homography leaves at the anchors. The fields at the
 * anchors do not change, so a frame is a product with the pseudo-inverse (FᵀF)⁻¹Fᵀ.
 */
export class Displacement {
  readonly shares: Float32Array<ArrayBuffer> = new Float32Array(mostFields);
  readonly #targets: Float32Array;
  /** [fields, anchors, 2] */
  readonly #inverse: readonly Float64Array[];
  /** [fields] the largest share, either way. */
  readonly #limits: Float64Array;
  /** [anchors, 2]: what the homography of the frame leaves. */
  readonly #left: Float64Array;

  constructor(body: DisplacedBody) {
    this.#targets = body.targets;
    const columns = columnsOf(body);
    this.#inverse = pseudoInverse(columns);
    this.#limits = Float64Array.from(columns, (column) => mostMoved / meanSize(column));
    this.#left = new Float64Array(body.targets.length);
  }

  /** Finds the shares of a frame whose anchors, at `places` in the picture, go through a homography. */
  update(places: ArrayLike<number>, h: Homography): void {
    if (this.#inverse.length === 0) return;
    for (let i = 0; i < places.length; i += 2) {
      const x = places[i] as number;
      const y = places[i + 1] as number;
      const w = along(h, 6, x, y);
      this.#left[i] = (this.#targets[i] as number) - along(h, 0, x, y) / w;
      this.#left[i + 1] = (this.#targets[i + 1] as number) - along(h, 3, x, y) / w;
    }
    for (let field = 0; field < this.#inverse.length; field += 1) {
      const share = product(this.#inverse[field] as Float64Array, this.#left);
      const limit = this.#limits[field] as number;
      this.shares[field] = Math.max(-limit, Math.min(limit, share));
    }
  }
}

/** Root of the mean square of how far anchors move with a field [anchors, 2]. */
function meanSize(column: Float64Array): number {
  return Math.sqrt((2 * product(column, column)) / column.length);
}

/** A row of a homography times (x, y, 1). */
function along(h: Homography, at: number, x: number, y: number): number {
  return (h[at] as number) * x + (h[at + 1] as number) * y + (h[at + 2] as number);
}

/** [fields][anchors, 2]: what each field says at the anchors' targets. */
function columnsOf({ fields, targets, image, pad }: DisplacedBody): Float64Array[] {
  if (!fields) return [];
  const columns = Array.from(
    { length: fields.channels / 2 },
    () => new Float64Array(targets.length),
  );
  for (let i = 0; i < targets.length; i += 2) {
    const found = fieldsAt(fields, { image, pad }, targets[i] as number, targets[i + 1] as number);
    columns.forEach((column, field) => {
      column.set(found.slice(2 * field, 2 * field + 2), i);
    });
  }
  return columns;
}

/** Rows of the pseudo-inverse of a matrix, as columns, by Gram and Schmidt's method: what of a column no other one has; none where that is nothing. */
function pseudoInverse(columns: readonly Float64Array[]): Float64Array[] {
  return columns.map((column, k) => {
    const basis: Float64Array[] = [];
    for (const [j, other] of columns.entries()) {
      const direction = without(other, basis);
      const length = Math.sqrt(product(direction, direction));
      if (j !== k && length > 1e-9) basis.push(direction.map((value) => value / length));
    }
    const own = without(column, basis);
    const squares = product(own, own);
    return own.map((value) => (squares > 1e-18 ? value / squares : 0));
  });
}

/** What of a vector lies across all of an orthonormal basis. */
function without(vector: Float64Array, basis: readonly Float64Array[]): Float64Array {
  let rest = vector;
  for (const direction of basis) {
    const share = product(rest, direction);
    rest = rest.map((value, i) => value - share * (direction[i] as number));
  }
  return rest;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
