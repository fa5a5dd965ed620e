import type { SplatCloud } from '../formats/splat-cloud.ts';
import { nearPlane, type ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import { colorAlong } from './spherical-harmonics.ref.ts';
import { type Affine, multiplyAffine, normalize, rotationMatrix, type Vec3 } from './vector.ts';

/** Added to the diagonal of the 2D covariance, px². */
const dilation = 0.3;
const maxOpacity = 0.99;
const minOpacity = 1 / 255;
/** Directions beyond this multiple of the half view count as at it in the Jacobian, as in 3DGS. */
const jacobianMargin = 1.3;

/** A splat as an ellipse of the picture. */
export interface ProjectedSplat {
  index: number;
  depth: number;
  x: number;
  y: number;
  /** Inverse of the 2D covariance: a dx² + 2 b dx dy + c dy². */
  conic: Vec3;
  color: Vec3;
  opacity: number;
}

/** A cloud, its pose (null for clouds without a rig), and its place: a turn with one scale. */
export interface ReferenceObject {
  cloud: SplatCloud;
  pose: Pose | null;
  transform?: Affine;
}

/**
 * RGBA picture in double precision: colours multiplied by alpha, 0..1, rows from the top. The rules of 3DGS (Kerbl et al. 2023; EWA
 * splatting, Zwicker et al. 2001): covariance dilated by 0.3 px², opacity at most 0.99, below 1/255 skipped, front to back by depth.
 */
export function renderReference(
  objects: readonly ReferenceObject[],
  view: ViewTransform,
): Float64Array {
  const splats = objects.flatMap((object) => projectAll(object, view));
  splats.sort((a, b) => a.depth - b.depth || a.index - b.index);
  const image = new Float64Array(view.width * view.height * 4);
  for (const splat of splats) blend(image, splat, view);
  return image;
}

/** Blends a picture of `renderReference` with a background into bytes R, G, B, A. */
export function overBackground(image: Float64Array, background: Vec3): Uint8ClampedArray {
  return Uint8ClampedArray.from(image, (value, i) => {
    const channel = i % 4;
    if (channel === 3) return 255;
    const left = 1 - (image[i - channel + 3] as number);
    return 255 * (value + left * (background[channel] as number));
  });
}

/** The splats that a picture shows, in the order of the cloud. */
export function projectAll(
  { cloud, pose, transform }: ReferenceObject,
  view: ViewTransform,
): ProjectedSplat[] {
  const centers = morphed(cloud, pose);
  const skin = pose ? skinOf(pose) : null;
  const projected: ProjectedSplat[] = [];
  for (let i = 0; i < cloud.count; i += 1) {
    const matrix = inWorld(transform, skin?.(i));
    const splat = projectOne(cloud, i, centers, matrix, view);
    if (splat) projected.push(splat);
  }
  return projected;
}

/** What poses a splat, and then places it; null: nothing does. */
function inWorld(transform: Affine | undefined, skin: Affine | undefined): Affine | null {
  if (!transform || !skin) return transform ?? skin ?? null;
  const placed = new Float64Array(12);
  multiplyAffine(placed, transform, skin);
  return placed;
}

function morphed(cloud: SplatCloud, pose: Pose | null): Float64Array {
  const centers = Float64Array.from(cloud.positions);
  pose?.rig.morphs.forEach(({ indices, deltas }, expression) => {
    const weight = pose.weights[expression] as number;
    if (weight === 0) return;
    indices.forEach((splat, k) => {
      for (let axis = 0; axis < 3; axis += 1) {
        const at = splat * 3 + axis;
        centers[at] = (centers[at] as number) + weight * (deltas[k * 3 + axis] as number);
      }
    });
  });
  return centers;
}

/** Linear blend skinning: each splat's mean matrix, row-major 3×4. */
function skinOf(pose: Pose): (splat: number) => Float64Array {
  const slot = new Map(pose.liveJoints.map((joint, i) => [joint, i]));
  const { skinJoints, skinWeights } = pose.rig;
  return (splat) => {
    const matrix = new Float64Array(12);
    for (let k = splat * 4; k < splat * 4 + 4; k += 1) {
      const weight = skinWeights[k] as number;
      if (weight === 0) continue;
      const first = (slot.get(skinJoints[k] as number) as number) * 12;
      for (let e = 0; e < 12; e += 1) {
        matrix[e] = (matrix[e] as number) + weight * (pose.skinMatrices[first + e] as number);
      }
    }
    return matrix;
  };
}

function projectOne(
  cloud: SplatCloud,
  index: number,
  centers: Float64Array,
  skin: Float64Array | null,
  { view, position, focal, width, height }: ViewTransform,
): ProjectedSplat | null {
  const rest = at3(centers, index);
  const center = skin ? affinePoint(skin, rest) : rest;
  const [x, y, z] = affinePoint(view, center);
  if (!(z > nearPlane)) return null;
  const jacobian = jacobianOf(x, y, z, focal, width, height);
  // Image ← view ← posed ← splat's own axes, each scaled by its deviation.
  const axes = axesOf(cloud, index);
  const posed = skin ? multiply3(linear(skin), axes) : axes;
  const rows = multiply23(jacobian, multiply3(linear(view), posed));
  const a = lengthSquared(rows[0]) + dilation;
  const b = rows[0][0] * rows[1][0] + rows[0][1] * rows[1][1] + rows[0][2] * rows[1][2];
  const c = lengthSquared(rows[1]) + dilation;
  const determinant = a * c - b * b;
  if (!(determinant > 0)) return null;
  const away: Vec3 = [center[0] - position[0], center[1] - position[1], center[2] - position[2]];
  return {
    index,
    depth: z,
    x: (x / z) * focal + width / 2,
    y: (y / z) * focal + height / 2,
    conic: [c / determinant, -b / determinant, a / determinant],
    color: colorAlong(cloud, index, normalize(skin ? turnBack(linear(skin), away) : away)),
    opacity: cloud.opacities[index] as number,
  };
}

function blend(image: Float64Array, splat: ProjectedSplat, { width, height }: ViewTransform): void {
  const { x, y, conic, color, opacity } = splat;
  if (opacity < minOpacity) return;
  // Beyond this distance (in deviations, squared) the opacity is below 1/255.
  const reach = 2 * Math.log(opacity / minOpacity);
  const determinant = conic[0] * conic[2] - conic[1] * conic[1];
  const halfX = Math.sqrt((reach * conic[2]) / determinant);
  const halfY = Math.sqrt((reach * conic[0]) / determinant);
  const lastX = Math.min(width - 1, Math.floor(x + halfX - 0.5));
  const lastY = Math.min(height - 1, Math.floor(y + halfY - 0.5));
  for (let py = Math.max(0, Math.ceil(y - halfY - 0.5)); py <= lastY; py += 1) {
    for (let px = Math.max(0, Math.ceil(x - halfX - 0.5)); px <= lastX; px += 1) {
      const dx = px + 0.5 - x;
      const dy = py + 0.5 - y;
      const power = conic[0] * dx * dx + 2 * conic[1] * dx * dy + conic[2] * dy * dy;
      const alpha = Math.min(maxOpacity, opacity * Math.exp(-power / 2));
      if (alpha < minOpacity) continue;
      const at = (py * width + px) * 4;
      const share = alpha * (1 - (image[at + 3] as number));
      for (let c = 0; c < 3; c += 1)
        image[at + c] = (image[at + c] as number) + share * (color[c] as number);
      image[at + 3] = (image[at + 3] as number) + share;
    }
  }
}

type Matrix3 = readonly [Vec3, Vec3, Vec3];

function jacobianOf(
  x: number,
  y: number,
  z: number,
  focal: number,
  width: number,
  height: number,
): readonly [Vec3, Vec3] {
  const limitX = (jacobianMargin * width) / 2 / focal;
  const limitY = (jacobianMargin * height) / 2 / focal;
  const clampedX = Math.max(-limitX, Math.min(limitX, x / z));
  const clampedY = Math.max(-limitY, Math.min(limitY, y / z));
  return [
    [focal / z, 0, (-focal * clampedX) / z],
    [0, focal / z, (-focal * clampedY) / z],
  ];
}

function axesOf(cloud: SplatCloud, i: number): Matrix3 {
  const r = rotationMatrix(
    cloud.rotations[i * 4] as number,
    cloud.rotations[i * 4 + 1] as number,
    cloud.rotations[i * 4 + 2] as number,
    cloud.rotations[i * 4 + 3] as number,
  );
  const [sx, sy, sz] = at3(cloud.scales, i);
  return [
    [r[0] * sx, r[1] * sy, r[2] * sz],
    [r[3] * sx, r[4] * sy, r[5] * sz],
    [r[6] * sx, r[7] * sy, r[8] * sz],
  ];
}

function at3(values: ArrayLike<number>, i: number): Vec3 {
  return [values[i * 3] as number, values[i * 3 + 1] as number, values[i * 3 + 2] as number];
}

function affinePoint(m: ArrayLike<number>, [x, y, z]: Vec3): Vec3 {
  const row = (r: number): number =>
    (m[r] as number) * x +
    (m[r + 1] as number) * y +
    (m[r + 2] as number) * z +
    (m[r + 3] as number);
  return [row(0), row(4), row(8)];
}

function linear(m: ArrayLike<number>): Matrix3 {
  const row = (r: number): Vec3 => [m[r] as number, m[r + 1] as number, m[r + 2] as number];
  return [row(0), row(4), row(8)];
}

function multiply3(a: Matrix3, b: Matrix3): Matrix3 {
  return [rowTimes(a[0], b), rowTimes(a[1], b), rowTimes(a[2], b)];
}

function multiply23(a: readonly [Vec3, Vec3], b: Matrix3): readonly [Vec3, Vec3] {
  return [rowTimes(a[0], b), rowTimes(a[1], b)];
}

function rowTimes([x, y, z]: Vec3, b: Matrix3): Vec3 {
  return [
    x * b[0][0] + y * b[1][0] + z * b[2][0],
    x * b[0][1] + y * b[1][1] + z * b[2][1],
    x * b[0][2] + y * b[1][2] + z * b[2][2],
  ];
}

/** A direction of the posed model as the model at rest sees it: the transpose stands for the inverse of a rotation. */
function turnBack(m: Matrix3, [x, y, z]: Vec3): Vec3 {
  return [
    m[0][0] * x + m[1][0] * y + m[2][0] * z,
    m[0][1] * x + m[1][1] * y + m[2][1] * z,
    m[0][2] * x + m[1][2] * y + m[2][2] * z,
  ];
}

function lengthSquared([x, y, z]: Vec3): number {
  return x * x + y * y + z * z;
}

/** Peak signal-to-noise ratio of two pictures of bytes R, G, B, A, in dB; alpha is left out. */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  let values = 0;
  for (let i = 0; i < a.length; i += 1) {
    if (i % 4 === 3) continue;
    squares += ((a[i] as number) - (b[i] as number)) ** 2;
    values += 1;
  }
  return squares === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 * 255 * values) / squares);
}
