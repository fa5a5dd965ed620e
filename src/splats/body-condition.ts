import type { AvatarBody, LinearLayer } from '../formats/avatar-body.ts';
import { projectPoints } from './body-homography.ts';
import { viewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import type { QuaternionBuffer } from './vector.ts';

/**
 * What the networks of a body see of a frame, the same for all its pixels (docs/avatar-format.md): the turns of two joints, the way of
 * the root and the landmarks before the camera of training, each encoded. The pose must be up to date.
 */
export function bodyCondition(body: AvatarBody, pose: Pose): Float64Array {
  const { joints } = pose.rig;
  const turns = body.poseJoints.flatMap((name) => {
    const joint = joints.findIndex((candidate) => candidate.name === name);
    return joint < 0 ? [0, 0, 0] : rotationVector(pose.localTurn(joint));
  });
  const root = joints.findIndex(({ parent }) => parent < 0);
  const decimetres = pose.shift(root).map((metres) => metres * 10);
  const view = viewTransform(body.camera, body.image, body.image);
  const landmarks = [...projectPoints(body.landmarks, pose, view)].map((uv) => 2 * uv - 1);
  const { frequencies } = body;
  return Float64Array.of(
    ...encoded(turns, frequencies.pose),
    ...encoded(decimetres, frequencies.translation),
    ...encoded(landmarks, frequencies.landmarks),
  );
}

/** Numbers of `bodyCondition`. */
export function conditionLength({
  frequencies,
  poseJoints,
  landmarks,
}: Pick<AvatarBody, 'frequencies' | 'poseJoints' | 'landmarks'>): number {
  return (
    3 * poseJoints.length * (1 + 2 * frequencies.pose) +
    3 * (1 + 2 * frequencies.translation) +
    2 * landmarks.count * (1 + 2 * frequencies.landmarks)
  );
}

/** Inputs that all pixels share only move the first bias: b + W[:, last] · condition, into `bias`. */
export function foldCondition(
  { inputs, outputs, weight, bias }: LinearLayer,
  condition: Float64Array,
  into: Float32Array,
): void {
  const own = inputs - condition.length;
  for (let row = 0; row < outputs; row += 1) {
    let sum = bias[row] as number;
    for (let i = 0; i < condition.length; i += 1) {
      sum += (weight[row * inputs + own + i] as number) * (condition[i] as number);
    }
    into[row] = sum;
  }
}

/** PE(x, L) = [x, sin(2ᵏπx), cos(2ᵏπx)], each over all of x. */
function encoded(x: readonly number[], octaves: number): number[] {
  const result = [...x];
  for (let k = 0; k < octaves; k += 1) {
    const rate = Math.PI * 2 ** k;
    result.push(...x.map((value) => Math.sin(value * rate)));
    result.push(...x.map((value) => Math.cos(value * rate)));
  }
  return result;
}

/** Axis × angle, radians, the shorter way round. */
function rotationVector([x = 0, y = 0, z = 0, w = 1]: QuaternionBuffer): number[] {
  const sine = Math.hypot(x, y, z);
  if (sine < 1e-12) return [0, 0, 0];
  const angle = 2 * Math.atan2(w < 0 ? -sine : sine, Math.abs(w));
  return [x, y, z].map((value) => (value / sine) * angle);
}
