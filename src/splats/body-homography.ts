import type { SkinnedPoints } from '../formats/avatar-body.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';

/** Row-major 3×3. */
export type Homography = Float64Array;

/**
 * Where points of the body lie in the picture: [count, 2] in picture coordinates, 0..1 across width and height (docs/avatar-format.md),
 * written to `places`. Joints that move no splat stay at rest. The pose must be up to date.
 */
export function projectPoints(
  { count, positions, joints, weights }: SkinnedPoints,
  pose: Pose,
  view: ViewTransform,
  places: Float64Array = new Float64Array(count * 2),
): Float64Array {
  const { liveIndices } = pose;
  const unmoved = pose.liveJoints.length * 12;
  findViewMatrices(pose, view.view);
  const across = view.focal / view.width;
  const down = view.focal / view.height;
  for (let i = 0; i < count; i += 1) {
    const px = positions[i * 3] as number;
    const py = positions[i * 3 + 1] as number;
    const pz = positions[i * 3 + 2] as number;
    let [x, y, depth] = [0, 0, 0];
    for (let k = i * 4; k < i * 4 + 4; k += 1) {
      const weight = weights[k] as number;
      if (weight === 0) continue;
      const live = liveIndices[joints[k] as number] as number;
      const matrix = live < 0 ? unmoved : live * 12;
      x += weight * along(matrix, px, py, pz);
      y += weight * along(matrix + 4, px, py, pz);
      depth += weight * along(matrix + 8, px, py, pz);
    }
    places[i * 2] = 0.5 + (x / depth) * across;
    places[i * 2 + 1] = 0.5 + (y / depth) * down;
  }
  return places;
}

/** From the rest pose to view space, [3, 4], of every live joint, and last of all that move no splat; kept from frame to frame. */
let viewMatrices: Float64Array = new Float64Array(0);

function findViewMatrices({ liveJoints, skinMatrices }: Pose, view: readonly number[]): void {
  const size = (liveJoints.length + 1) * 12;
  if (viewMatrices.length < size) viewMatrices = new Float64Array(size);
  for (let at = 0; at < size; at += 1) {
    const row = (at % 12) & ~3;
    const column = at % 4;
    if (at >= size - 12) {
      viewMatrices[at] = view[row + column] as number;
      continue;
    }
    let sum = column === 3 ? (view[row + 3] as number) : 0;
    for (let i = 0; i < 3; i += 1) {
      sum +=
        (view[row + i] as number) * (skinMatrices[at - row - column + i * 4 + column] as number);
    }
    viewMatrices[at] = sum;
  }
}

/** A row of a view matrix times a point. */
function along(row: number, x: number, y: number, z: number): number {
  return (
    (viewMatrices[row] as number) * x +
    (viewMatrices[row + 1] as number) * y +
    (viewMatrices[row + 2] as number) * z +
    (viewMatrices[row + 3] as number)
  );
}

/**
 * The homography that takes points [n, 2] to targets [n, 2] with the least squares of its linear equations (Hartley and Zisserman,
 * Multiple View Geometry, 4.1): eight normal equations, on coordinates of mean 0 and deviation √2. Null where the points do not say
 * one: fewer than four, or all on a line.
 */
export function solveHomography(
  points: ArrayLike<number>,
  targets: ArrayLike<number>,
): Homography | null {
  const [from, to] = [normalizer(points), normalizer(targets)];
  if (points.length < 8 || !from || !to) return null;
  fillSystem(points, targets, from, to);
  const h = solve();
  return h && unnormalized([...h, 1], from, to);
}

interface Normalizer {
  x: number;
  y: number;
  scale: number;
}

function normalizer(points: ArrayLike<number>): Normalizer | null {
  const count = points.length / 2;
  let [x, y, squares] = [0, 0, 0];
  for (let i = 0; i < points.length; i += 2) {
    x += (points[i] as number) / count;
    y += (points[i + 1] as number) / count;
  }
  for (let i = 0; i < points.length; i += 2) {
    squares += (((points[i] as number) - x) ** 2 + ((points[i + 1] as number) - y) ** 2) / count;
  }
  const scale = Math.SQRT2 / Math.sqrt(squares);
  return Number.isFinite(scale) ? { x, y, scale } : null;
}

/** Normal equations [8, 9] of the solution under way. */
const system = new Float64Array(8 * 9);

/**
 * A point p = (x, y, 1) whose target is (u, v) says p·a − u (x, y)·c = u and p·b − v (x, y)·c = v for the rows a, b, (c, 1) of the
 * homography. So the normal equations hold Σ p pᵀ twice, −Σ u p (x, y), −Σ v p (x, y) and Σ (u² + v²)(x, y)(x, y)ᵀ: twenty-two sums.
 */
function fillSystem(
  points: ArrayLike<number>,
  targets: ArrayLike<number>,
  from: Normalizer,
  to: Normalizer,
): void {
  const n = points.length / 2;
  let [sx, sy, sxx, sxy, syy] = [0, 0, 0, 0, 0];
  let [su, sux, suy, suxx, suxy, suyy] = [0, 0, 0, 0, 0, 0];
  let [sv, svx, svy, svxx, svxy, svyy] = [0, 0, 0, 0, 0, 0];
  let [rx, ry, rxx, rxy, ryy] = [0, 0, 0, 0, 0];
  for (let i = 0; i < points.length; i += 2) {
    const x = ((points[i] as number) - from.x) * from.scale;
    const y = ((points[i + 1] as number) - from.y) * from.scale;
    const u = ((targets[i] as number) - to.x) * to.scale;
    const v = ((targets[i + 1] as number) - to.y) * to.scale;
    const [xx, xy, yy] = [x * x, x * y, y * y];
    const r = u * u + v * v;
    sx += x;
    sy += y;
    sxx += xx;
    sxy += xy;
    syy += yy;
    su += u;
    sux += u * x;
    suy += u * y;
    suxx += u * xx;
    suxy += u * xy;
    suyy += u * yy;
    sv += v;
    svx += v * x;
    svy += v * y;
    svxx += v * xx;
    svxy += v * xy;
    svyy += v * yy;
    rx += r * x;
    ry += r * y;
    rxx += r * xx;
    rxy += r * xy;
    ryy += r * yy;
  }
  // biome-ignore format: the matrix as it is written
  system.set([
    sxx, sxy, sx, 0, 0, 0, -suxx, -suxy, sux,
    sxy, syy, sy, 0, 0, 0, -suxy, -suyy, suy,
    sx, sy, n, 0, 0, 0, -sux, -suy, su,
    0, 0, 0, sxx, sxy, sx, -svxx, -svxy, svx,
    0, 0, 0, sxy, syy, sy, -svxy, -svyy, svy,
    0, 0, 0, sx, sy, n, -svx, -svy, sv,
    -suxx, -suxy, -sux, -svxx, -svxy, -svx, rxx, rxy, -rx,
    -suxy, -suyy, -suy, -svxy, -svyy, -svy, rxy, ryy, -ry,
  ]);
}

/** Gauss–Jordan with row pivots, in place; null for a singular system. */
function solve(): Float64Array | null {
  for (let column = 0; column < 8; column += 1) {
    let best = column;
    for (let below = column + 1; below < 8; below += 1) {
      const [candidate, held] = [system[below * 9 + column], system[best * 9 + column]];
      if (Math.abs(candidate as number) > Math.abs(held as number)) best = below;
    }
    const pivot = system[best * 9 + column] as number;
    if (!(Math.abs(pivot) > 1e-9)) return null;
    const line = system.slice(best * 9, best * 9 + 9).map((value) => value / pivot);
    system.copyWithin(best * 9, column * 9, column * 9 + 9);
    system.set(line, column * 9);
    for (let other = 0; other < 8; other += 1) {
      const factor = system[other * 9 + column] as number;
      if (other === column || factor === 0) continue;
      for (let j = column; j < 9; j += 1) {
        system[other * 9 + j] = (system[other * 9 + j] as number) - factor * (line[j] as number);
      }
    }
  }
  return Float64Array.from({ length: 8 }, (_, i) => system[i * 9 + 8] as number);
}

/** to⁻¹ · h · from, scaled so that its last value is 1. */
function unnormalized(h: readonly number[], from: Normalizer, to: Normalizer): Homography {
  const right = [0, 3, 6].flatMap((line) => {
    const [a, b, c] = [h[line] as number, h[line + 1] as number, h[line + 2] as number];
    const { x, y, scale } = from;
    return [a * scale, b * scale, c - (a * x + b * y) * scale];
  });
  const matrix = Float64Array.from(right, (value, i) => {
    if (i >= 6) return value;
    const shift = i < 3 ? to.x : to.y;
    return value / to.scale + shift * (right[6 + (i % 3)] as number);
  });
  const last = matrix[8] as number;
  return matrix.map((value) => value / last);
}
