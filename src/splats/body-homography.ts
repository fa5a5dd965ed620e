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
  points: SkinnedPoints,
  pose: Pose,
  { view, focal, width, height }: ViewTransform,
  places: Float64Array = new Float64Array(points.count * 2),
): Float64Array {
  const [along, down, forward] = [0, 4, 8] as const;
  for (let i = 0; i < points.count; i += 1) {
    skin(points, pose, i);
    const depth = seen(view, forward);
    places[i * 2] = 0.5 + (seen(view, along) / depth) * (focal / width);
    places[i * 2 + 1] = 0.5 + (seen(view, down) / depth) * (focal / height);
  }
  return places;
}

/** The point that `skin` posed last: a frame has a thousand of them, and allocates none. */
const posed = new Float64Array(3);

/** Linear blend skinning of one point. */
function skin({ positions, joints, weights }: SkinnedPoints, pose: Pose, point: number): void {
  posed.fill(0);
  for (let k = point * 4; k < point * 4 + 4; k += 1) {
    const weight = weights[k] as number;
    if (weight === 0) continue;
    const joint = pose.liveJoints.indexOf(joints[k] as number);
    for (let axis = 0; axis < 3; axis += 1) {
      const at =
        joint < 0 ? rest(positions, point, axis) : moved(pose, joint, positions, point, axis);
      posed[axis] = (posed[axis] as number) + weight * at;
    }
  }
}

function rest(positions: Float32Array, point: number, axis: number): number {
  return positions[point * 3 + axis] as number;
}

function moved(
  { skinMatrices }: Pose,
  joint: number,
  positions: Float32Array,
  point: number,
  axis: number,
): number {
  const row = joint * 12 + axis * 4;
  let sum = skinMatrices[row + 3] as number;
  for (let i = 0; i < 3; i += 1) {
    sum += (skinMatrices[row + i] as number) * rest(positions, point, i);
  }
  return sum;
}

/** A coordinate of the posed point in view space. */
function seen(view: readonly number[], row: number): number {
  let sum = view[row + 3] as number;
  for (let axis = 0; axis < 3; axis += 1) {
    sum += (view[row + axis] as number) * (posed[axis] as number);
  }
  return sum;
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
  system.fill(0);
  for (let i = 0; i < points.length; i += 2) {
    const x = ((points[i] as number) - from.x) * from.scale;
    const y = ((points[i + 1] as number) - from.y) * from.scale;
    const u = ((targets[i] as number) - to.x) * to.scale;
    const v = ((targets[i + 1] as number) - to.y) * to.scale;
    setEquation(0, x, y, u);
    addSquares();
    setEquation(3, x, y, v);
    addSquares();
  }
  for (let i = 1; i < 8; i += 1) {
    for (let j = 0; j < i; j += 1) system[i * 9 + j] = system[j * 9 + i] as number;
  }
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

/** Normal equations [8, 9] and one equation [9], of the solution under way. */
const system = new Float64Array(8 * 9);
const row = new Float64Array(9);

/** The equation of a point x, y whose coordinate of the target's is `target`: `first` says which one. */
function setEquation(first: 0 | 3, x: number, y: number, target: number): void {
  row.fill(0);
  row[first] = x;
  row[first + 1] = y;
  row[first + 2] = 1;
  row[6] = -target * x;
  row[7] = -target * y;
  row[8] = target;
}

/** system += rowᵀ · row, but for the last line, and only on and above the diagonal: the rest mirrors it. */
function addSquares(): void {
  for (let i = 0; i < 8; i += 1) {
    const factor = row[i] as number;
    if (factor === 0) continue;
    for (let j = i; j < 9; j += 1) {
      system[i * 9 + j] = (system[i * 9 + j] as number) + factor * (row[j] as number);
    }
  }
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
