import type { SkinnedPoints } from '../formats/avatar-body.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';

/** Row-major 3×3. */
export type Homography = Float64Array;

/**
 * Where points of the body lie in the picture: [count, 2] in picture coordinates, 0..1 across width and height (docs/avatar-format.md).
 * Joints that move no splat stay at rest. The pose must be up to date.
 */
export function projectPoints(
  { count, positions, joints, weights }: SkinnedPoints,
  pose: Pose,
  { view, focal, width, height }: ViewTransform,
): Float64Array {
  const places = new Float64Array(count * 2);
  const live = pose.rig.joints.map((_, joint) => pose.liveJoints.indexOf(joint));
  const at = (row: number, x: number, y: number, z: number): number =>
    (view[row] as number) * x +
    (view[row + 1] as number) * y +
    (view[row + 2] as number) * z +
    (view[row + 3] as number);
  for (let i = 0; i < count; i += 1) {
    const rest = positions.subarray(i * 3, i * 3 + 3);
    const [x, y, z] = [0, 1, 2].map((axis) => {
      let sum = 0;
      for (let k = i * 4; k < i * 4 + 4; k += 1) {
        const matrix = live[joints[k] as number] ?? -1;
        sum += (weights[k] as number) * moved(pose.skinMatrices, matrix, axis, rest);
      }
      return sum;
    }) as [number, number, number];
    const depth = at(8, x, y, z);
    places[i * 2] = 0.5 + (at(0, x, y, z) / depth) * (focal / width);
    places[i * 2 + 1] = 0.5 + (at(4, x, y, z) / depth) * (focal / height);
  }
  return places;
}

function moved(matrices: Float32Array, joint: number, axis: number, rest: Float32Array): number {
  if (joint < 0) return rest[axis] as number;
  const row = joint * 12 + axis * 4;
  return (
    (matrices[row] as number) * (rest[0] as number) +
    (matrices[row + 1] as number) * (rest[1] as number) +
    (matrices[row + 2] as number) * (rest[2] as number) +
    (matrices[row + 3] as number)
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
  const system = new Float64Array(8 * 9);
  const row = new Float64Array(9);
  for (let i = 0; i < points.length; i += 2) {
    const x = ((points[i] as number) - from.x) * from.scale;
    const y = ((points[i + 1] as number) - from.y) * from.scale;
    const u = ((targets[i] as number) - to.x) * to.scale;
    const v = ((targets[i + 1] as number) - to.y) * to.scale;
    row.set([x, y, 1, 0, 0, 0, -u * x, -u * y, u]);
    addSquares(system, row);
    row.set([0, 0, 0, x, y, 1, -v * x, -v * y, v]);
    addSquares(system, row);
  }
  const h = solve(system);
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

/** system [8, 9] += rowᵀ · row, but for the last line. */
function addSquares(system: Float64Array, row: Float64Array): void {
  for (let i = 0; i < 8; i += 1) {
    const factor = row[i] as number;
    if (factor === 0) continue;
    for (let j = 0; j < 9; j += 1) {
      system[i * 9 + j] = (system[i * 9 + j] as number) + factor * (row[j] as number);
    }
  }
}

/** Gauss–Jordan with row pivots on [8, 9], in place; null for a singular system. */
function solve(system: Float64Array): Float64Array | null {
  for (let column = 0; column < 8; column += 1) {
    let best = column;
    for (let row = column + 1; row < 8; row += 1) {
      const [candidate, held] = [system[row * 9 + column], system[best * 9 + column]];
      if (Math.abs(candidate as number) > Math.abs(held as number)) best = row;
    }
    const pivot = system[best * 9 + column] as number;
    if (!(Math.abs(pivot) > 1e-9)) return null;
    const line = system.slice(best * 9, best * 9 + 9).map((value) => value / pivot);
    system.copyWithin(best * 9, column * 9, column * 9 + 9);
    system.set(line, column * 9);
    for (let row = 0; row < 8; row += 1) {
      const factor = system[row * 9 + column] as number;
      if (row === column || factor === 0) continue;
      for (let j = column; j < 9; j += 1) {
        system[row * 9 + j] = (system[row * 9 + j] as number) - factor * (line[j] as number);
      }
    }
  }
  return Float64Array.from({ length: 8 }, (_, i) => system[i * 9 + 8] as number);
}

/** to⁻¹ · h · from, scaled so that its last value is 1. */
function unnormalized(h: readonly number[], from: Normalizer, to: Normalizer): Homography {
  const right = [0, 3, 6].flatMap((row) => {
    const [a, b, c] = [h[row] as number, h[row + 1] as number, h[row + 2] as number];
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
