import type { SkinnedPoints } from '../formats/avatar-body.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import { type Affine, multiplyAffine } from './vector.ts';

/** Row-major 3×3. */
export type Homography = Float64Array;

/**
 * Points of a body and where they lie in the picture, in picture coordinates: 0..1 across width and height (docs/avatar-format.md).
 * Joints that move no splat stay at rest. A frame allocates nothing.
 */
export class PointProjection {
  /** [count, 2] of the frame that was projected last. */
  readonly places: Float64Array;
  /** [terms, 4] a point at rest times the weight of a joint, and the weight; a point has as many terms as joints. */
  readonly #terms: Float64Array;
  /** [terms] the joint's place in `#matrices`. */
  readonly #joints: Int32Array;
  /** [count] behind a point's last term. */
  readonly #ends: Int32Array;
  /** [live joints + 1] from the rest pose to picture coordinates times depth, and depth; the last one moves nothing. */
  readonly #matrices: readonly Affine[];

  /** For poses of this one's rig. */
  constructor(points: SkinnedPoints, { liveIndices, liveJoints }: Pose) {
    const { count, positions, joints, weights } = points;
    const terms: number[] = [];
    const termJoints: number[] = [];
    this.places = new Float64Array(count * 2);
    this.#ends = new Int32Array(count);
    for (let i = 0; i < count; i += 1) {
      for (let k = i * 4; k < i * 4 + 4; k += 1) {
        const weight = weights[k] as number;
        if (weight === 0) continue;
        const live = liveIndices[joints[k] as number] as number;
        termJoints.push(live < 0 ? liveJoints.length : live);
        const at = (axis: number): number => (positions[i * 3 + axis] as number) * weight;
        terms.push(at(0), at(1), at(2), weight);
      }
      this.#ends[i] = termJoints.length;
    }
    this.#terms = Float64Array.from(terms);
    this.#joints = Int32Array.from(termJoints);
    this.#matrices = Array.from({ length: liveJoints.length + 1 }, () => new Float64Array(12));
  }

  /** `places` as a view sees them. The pose must be up to date. */
  project(pose: Pose, view: ViewTransform): Float64Array {
    this.#findMatrices(pose, view);
    const { places } = this;
    const terms = this.#terms;
    const joints = this.#joints;
    const matrices = this.#matrices;
    let term = 0;
    for (let i = 0; i < this.#ends.length; i += 1) {
      const end = this.#ends[i] as number;
      let across = 0;
      let down = 0;
      let depth = 0;
      for (; term < end; term += 1) {
        const m = matrices[joints[term] as number] as Affine;
        const x = terms[term * 4] as number;
        const y = terms[term * 4 + 1] as number;
        const z = terms[term * 4 + 2] as number;
        const w = terms[term * 4 + 3] as number;
        across +=
          (m[0] as number) * x + (m[1] as number) * y + (m[2] as number) * z + (m[3] as number) * w;
        down +=
          (m[4] as number) * x + (m[5] as number) * y + (m[6] as number) * z + (m[7] as number) * w;
        depth +=
          (m[8] as number) * x +
          (m[9] as number) * y +
          (m[10] as number) * z +
          (m[11] as number) * w;
      }
      places[i * 2] = across / depth;
      places[i * 2 + 1] = down / depth;
    }
    return places;
  }

  #findMatrices({ skins }: Pose, { view, focal, width, height }: ViewTransform): void {
    for (let column = 0; column < 4; column += 1) {
      const middle = (view[8 + column] as number) / 2;
      picture[column] = ((view[column] as number) * focal) / width + middle;
      picture[4 + column] = ((view[4 + column] as number) * focal) / height + middle;
      picture[8 + column] = view[8 + column] as number;
    }
    for (let i = 0; i < skins.length; i += 1) {
      multiplyAffine(this.#matrices[i] as Affine, picture, skins[i] as Float32Array);
    }
    this.#matrices[skins.length]?.set(picture);
  }
}

/** World → picture coordinates times depth, and depth, of the projection under way. */
const picture: Affine = new Float64Array(12);

/** Where points of the body lie in the picture: [count, 2]. */
export function projectPoints(
  points: SkinnedPoints,
  pose: Pose,
  view: ViewTransform,
): Float64Array {
  return new PointProjection(points, pose).project(pose, view);
}

/** Less than this of the whole is nothing. */
const leastShare = 1e-12;

/**
 * The homography that takes points [n, 2] to targets [n, 2], written to `out`: the least squares of its linear equations (Hartley and
 * Zisserman, Multiple View Geometry, 4.1) around the means of both. Null where the points do not say one: fewer than four, or all on a
 * line. Allocates nothing.
 *
 * A point (x, y) whose target is (u, v), both without their means, says α·(x, y) + a − u c·(x, y) = u, and the same of β, b and v. For a
 * given c all others are least squares by themselves, with the matrix M = Σ (x, y)(x, y)ᵀ: α = M⁻¹ (Σ u (x, y) + Σ u (x, y)(x, y)ᵀ c) and
 * n a = Σ u (x, y)·c. With those put in, two equations for c are left.
 */
export function solveHomography(
  points: ArrayLike<number>,
  targets: ArrayLike<number>,
  out: Homography = new Float64Array(9),
): Homography | null {
  const n = points.length / 2;
  let [meanX, meanY, meanU, meanV] = noSums;
  for (let i = 0; i < points.length; i += 2) {
    meanX += (points[i] as number) / n;
    meanY += (points[i + 1] as number) / n;
    meanU += (targets[i] as number) / n;
    meanV += (targets[i + 1] as number) / n;
  }
  let [xx, xy, yy] = noSums;
  let [ux, uy, uxx, uxy, uyy] = noSums;
  let [vx, vy, vxx, vxy, vyy] = noSums;
  // Of u² + v².
  let [rx, ry, rxx, rxy, ryy] = noSums;
  for (let i = 0; i < points.length; i += 2) {
    const x = (points[i] as number) - meanX;
    const y = (points[i + 1] as number) - meanY;
    const u = (targets[i] as number) - meanU;
    const v = (targets[i + 1] as number) - meanV;
    const square = x * x;
    const product = x * y;
    const squareDown = y * y;
    const r = u * u + v * v;
    xx += square;
    xy += product;
    yy += squareDown;
    ux += u * x;
    uy += u * y;
    uxx += u * square;
    uxy += u * product;
    uyy += u * squareDown;
    vx += v * x;
    vy += v * y;
    vxx += v * square;
    vxy += v * product;
    vyy += v * squareDown;
    rx += r * x;
    ry += r * y;
    rxx += r * square;
    rxy += r * product;
    ryy += r * squareDown;
  }
  const determinant = xx * yy - xy * xy;
  if (n < 4 || !(determinant > leastShare * (xx + yy) ** 2)) return null;
  inverse[0] = yy / determinant;
  inverse[1] = -xy / determinant;
  inverse[2] = xx / determinant;
  left[0] = rxx;
  left[1] = rxy;
  left[2] = ryy;
  right[0] = -rx;
  right[1] = -ry;
  eliminate(across, n, ux, uy, uxx, uxy, uyy);
  eliminate(down, n, vx, vy, vxx, vxy, vyy);
  if (!solveForC((rxx + ryy) * leastShare)) return null;
  const last = 1 - (c[0] as number) * meanX - (c[1] as number) * meanY;
  fillRow(out, 0, across, meanX, meanY, meanU, last);
  fillRow(out, 3, down, meanX, meanY, meanV, last);
  out[6] = (c[0] as number) / last;
  out[7] = (c[1] as number) / last;
  out[8] = 1;
  return out.every(Number.isFinite) ? out : null;
}

const noSums = [0, 0, 0, 0, 0] as const;
/** M⁻¹ of the solution under way: its upper triangle, as of the other symmetric matrices here. */
const inverse = new Float64Array(3);
/** The two equations for c. */
const left = new Float64Array(3);
const right = new Float64Array(2);
const c = new Float64Array(2);
/** α (0, 1) without c, (2, 3) a unit of c₁ and (4, 5) of c₂; a of both (6, 7). And the same of β and b. */
const across = new Float64Array(8);
const down = new Float64Array(8);

/** Takes one axis of the targets out of the equations. */
function eliminate(
  axis: Float64Array,
  n: number,
  ux: number,
  uy: number,
  uxx: number,
  uxy: number,
  uyy: number,
): void {
  applyInverse(axis, 0, ux, uy);
  applyInverse(axis, 2, uxx, uxy);
  applyInverse(axis, 4, uxy, uyy);
  axis[6] = ux / n;
  axis[7] = uy / n;
  const along = (x: number, y: number, at: number): number =>
    x * (axis[at] as number) + y * (axis[at + 1] as number);
  left[0] = (left[0] as number) - along(uxx, uxy, 2) - (ux * ux) / n;
  left[1] = (left[1] as number) - along(uxx, uxy, 4) - (ux * uy) / n;
  left[2] = (left[2] as number) - along(uxy, uyy, 4) - (uy * uy) / n;
  right[0] = (right[0] as number) + along(uxx, uxy, 0);
  right[1] = (right[1] as number) + along(uxy, uyy, 0);
}

function applyInverse(out: Float64Array, at: number, x: number, y: number): void {
  out[at] = (inverse[0] as number) * x + (inverse[1] as number) * y;
  out[at + 1] = (inverse[1] as number) * x + (inverse[2] as number) * y;
}

/** False: the points do not say it. */
function solveForC(least: number): boolean {
  const [xx = 0, xy = 0, yy = 0] = left;
  const [x = 0, y = 0] = right;
  const determinant = xx * yy - xy * xy;
  c[0] = (yy * x - xy * y) / determinant;
  c[1] = (xx * y - xy * x) / determinant;
  return determinant > least * (xx + yy);
}

/** A row, for points and targets with their means. */
function fillRow(
  out: Homography,
  row: number,
  axis: Float64Array,
  meanX: number,
  meanY: number,
  meanTarget: number,
  last: number,
): void {
  const [c1 = 0, c2 = 0] = c;
  const along = (at: number): number =>
    (axis[at] as number) + (axis[at + 2] as number) * c1 + (axis[at + 4] as number) * c2;
  const x = along(0);
  const y = along(1);
  const shift = (axis[6] as number) * c1 + (axis[7] as number) * c2;
  out[row] = (x + meanTarget * c1) / last;
  out[row + 1] = (y + meanTarget * c2) / last;
  out[row + 2] = (shift - x * meanX - y * meanY) / last + meanTarget;
}
