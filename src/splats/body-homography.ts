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
 * line. Allocates nothing but `out`, where none is given.
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
  findMeans(points, targets);
  const meanX = mean[0] as number;
  const meanY = mean[1] as number;
  const meanU = mean[2] as number;
  const meanV = mean[3] as number;
  let xx = 0;
  let xy = 0;
  let yy = 0;
  let ux = 0;
  let uy = 0;
  let uxx = 0;
  let uxy = 0;
  let uyy = 0;
  let vx = 0;
  let vy = 0;
  let vxx = 0;
  let vxy = 0;
  let vyy = 0;
  // Of u² + v².
  let rx = 0;
  let ry = 0;
  let rxx = 0;
  let rxy = 0;
  let ryy = 0;
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
  if (points.length < 8 || !(determinant > leastShare * (xx + yy) ** 2)) return null;
  inverse[0] = yy / determinant;
  inverse[1] = -xy / determinant;
  inverse[2] = xx / determinant;
  sums[0] = ux;
  sums[1] = uy;
  sums[2] = uxx;
  sums[3] = uxy;
  sums[4] = uyy;
  sums[5] = vx;
  sums[6] = vy;
  sums[7] = vxx;
  sums[8] = vxy;
  sums[9] = vyy;
  left[0] = rxx;
  left[1] = rxy;
  left[2] = ryy;
  right[0] = -rx;
  right[1] = -ry;
  eliminate(across, 0, points.length / 2);
  eliminate(down, 5, points.length / 2);
  if (!solveForC(rxx + ryy)) return null;
  fillRows(out);
  return out.every(Number.isFinite) ? out : null;
}

// What a solution under way has, kept so that none allocates.
/** Of x, y, u, v. */
const mean = new Float64Array(4);
/** u (x, y) and u (xx, xy, yy), and the same of v. */
const sums = new Float64Array(10);
/** M⁻¹: its upper triangle, as of the other symmetric matrices here. */
const inverse = new Float64Array(3);
/** The two equations for c. */
const left = new Float64Array(3);
const right = new Float64Array(2);
const c = new Float64Array(2);
/** α without c (0, 1), for a unit of c₁ (2, 3) and of c₂ (4, 5); a for a unit of both (6, 7). And the same of β and b. */
const across = new Float64Array(8);
const down = new Float64Array(8);

function findMeans(points: ArrayLike<number>, targets: ArrayLike<number>): void {
  const n = points.length / 2;
  let x = 0;
  let y = 0;
  let u = 0;
  let v = 0;
  for (let i = 0; i < points.length; i += 2) {
    x += points[i] as number;
    y += points[i + 1] as number;
    u += targets[i] as number;
    v += targets[i + 1] as number;
  }
  mean[0] = x / n;
  mean[1] = y / n;
  mean[2] = u / n;
  mean[3] = v / n;
}

/** Takes an axis of the targets, whose sums begin at `at`, out of the equations. */
function eliminate(axis: Float64Array, at: number, n: number): void {
  const x = sums[at] as number;
  const y = sums[at + 1] as number;
  const xx = sums[at + 2] as number;
  const xy = sums[at + 3] as number;
  const yy = sums[at + 4] as number;
  const p = inverse[0] as number;
  const q = inverse[1] as number;
  const s = inverse[2] as number;
  axis[0] = p * x + q * y;
  axis[1] = q * x + s * y;
  axis[2] = p * xx + q * xy;
  axis[3] = q * xx + s * xy;
  axis[4] = p * xy + q * yy;
  axis[5] = q * xy + s * yy;
  axis[6] = x / n;
  axis[7] = y / n;
  left[0] = (left[0] as number) - xx * axis[2] - xy * axis[3] - x * axis[6];
  left[1] = (left[1] as number) - xx * axis[4] - xy * axis[5] - x * axis[7];
  left[2] = (left[2] as number) - xy * axis[4] - yy * axis[5] - y * axis[7];
  right[0] = (right[0] as number) + xx * axis[0] + xy * axis[1];
  right[1] = (right[1] as number) + xy * axis[0] + yy * axis[1];
}

/** False: the points do not say it. `whole` is what the equations had before anything was taken out. */
function solveForC(whole: number): boolean {
  const xx = left[0] as number;
  const xy = left[1] as number;
  const yy = left[2] as number;
  const x = right[0] as number;
  const y = right[1] as number;
  const determinant = xx * yy - xy * xy;
  c[0] = (yy * x - xy * y) / determinant;
  c[1] = (xx * y - xy * x) / determinant;
  return determinant > leastShare * whole * (xx + yy);
}

/** All nine, for points and targets with their means, the last one 1. */
function fillRows(out: Homography): void {
  const c1 = c[0] as number;
  const c2 = c[1] as number;
  const last = 1 - c1 * (mean[0] as number) - c2 * (mean[1] as number);
  for (let i = 0; i < 2; i += 1) {
    const axis = i === 0 ? across : down;
    const target = mean[2 + i] as number;
    const x = (axis[0] as number) + (axis[2] as number) * c1 + (axis[4] as number) * c2;
    const y = (axis[1] as number) + (axis[3] as number) * c1 + (axis[5] as number) * c2;
    const shift = (axis[6] as number) * c1 + (axis[7] as number) * c2;
    out[i * 3] = (x + target * c1) / last;
    out[i * 3 + 1] = (y + target * c2) / last;
    out[i * 3 + 2] = (shift - x * (mean[0] as number) - y * (mean[1] as number)) / last + target;
  }
  out[6] = c1 / last;
  out[7] = c2 / last;
  out[8] = 1;
}
