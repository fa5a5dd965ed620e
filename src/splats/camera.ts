import { invalidArgument } from '../errors.ts';
import type { Camera } from '../types.ts';
import { type Affine, cross, dot, normalize, subtract, type Vec3 } from './vector.ts';

/** A camera ready for a picture of one size. View space has x right, y down and z forward, as images do. */
export interface ViewTransform {
  /** World → view, row-major 3×4. */
  view: readonly number[] | Affine;
  /** Where the camera stands, in the world. */
  position: Vec3;
  /** Focal length in pixels, the same for both axes. */
  focal: number;
  width: number;
  height: number;
}

/** Nearer splats are not drawn; metres. */
export const nearPlane: number = 0.01;

/** The pinhole camera of a picture of width × height pixels. Throws `invalid-argument`. */
export function viewTransform(camera: Camera, width: number, height: number): ViewTransform {
  const { position, target, up = [0, 1, 0], fovY } = camera;
  const valid = [...position, ...target, ...up].every(Number.isFinite);
  if (!valid || !(fovY > 0 && fovY < 180)) {
    throw invalidArgument(
      'splats/camera',
      'The camera is not valid.',
      'Give finite numbers, and a fovY between 0 and 180 degrees.',
    );
  }
  const forward = normalize(subtract(target, position));
  const right = normalize(cross(forward, leaning(forward, up)));
  const down = cross(forward, right);
  const row = (axis: Vec3): number[] => [...axis, -dot(axis, position)];
  return {
    view: [...row(right), ...row(down), ...row(forward)],
    position,
    focal: height / 2 / Math.tan((fovY * Math.PI) / 360),
    width,
    height,
  };
}

/** `up`, or another axis where the camera looks along it. */
function leaning(forward: Vec3, up: Vec3): Vec3 {
  const along = Math.abs(dot(forward, normalize(up)));
  return along < 0.999_999 ? up : [0, 0, 1];
}

/** A camera that went around its target about its up axis. */
export function turnedCamera(camera: Camera, degrees: number): Camera {
  const { position, target, up = [0, 1, 0] } = camera;
  const axis = normalize(up);
  const arm = subtract(position, target);
  const [along, across] = [dot(arm, axis), cross(axis, arm)];
  const angle = (degrees * Math.PI) / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const place = (i: 0 | 1 | 2): number =>
    target[i] + arm[i] * c + across[i] * s + axis[i] * along * (1 - c);
  return { ...camera, position: [place(0), place(1), place(2)] };
}

/** The space that splats fill: what a camera frames and depths are measured in. */
export interface Bounds {
  center: Vec3;
  radius: number;
}

/** A sphere around all. */
export function enclosingBounds(all: readonly Bounds[]): Bounds {
  const end = (axis: 0 | 1 | 2, side: 1 | -1): number =>
    side * Math.max(...all.map(({ center, radius }) => side * center[axis] + radius));
  const middle = (axis: 0 | 1 | 2): number => (end(axis, 1) + end(axis, -1)) / 2;
  const center: Vec3 = all.length > 0 ? [middle(0), middle(1), middle(2)] : [0, 0, 0];
  const reach = all.map((one) => Math.hypot(...subtract(one.center, center)) + one.radius);
  return { center, radius: Math.max(1e-3, ...reach) };
}

/** A camera in front that frames a sphere in a picture of this aspect (width / height). `down`: y grows downwards. */
export function framingCamera({ center, radius }: Bounds, down: boolean, aspect: number): Camera {
  const fovY = 30;
  const half = Math.tan((fovY * Math.PI) / 360) * Math.min(1, aspect);
  const distance = (radius * 1.08) / Math.sin(Math.atan(half));
  const sign = down ? -1 : 1;
  return {
    position: [center[0], center[1], center[2] + sign * distance],
    target: center,
    up: [0, sign, 0],
    fovY,
  };
}
