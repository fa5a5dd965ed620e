import type { AvatarBody, LinearLayer } from '../formats/avatar-body.ts';
import { PointProjection } from './body-homography.ts';
import { type ViewTransform, viewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import type { QuaternionBuffer } from './vector.ts';

/**
 * What the networks of a body see of a frame, the same for all its pixels (docs/avatar-format.md): the turns of two joints, the way of
 * the root and the landmarks before the camera of training, each encoded. A frame allocates nothing.
 */
export class BodyCondition {
  /** Of the frame that was brought up to date last. */
  readonly values: Float64Array;
  readonly #octaves: AvatarBody['frequencies'];
  /** The joints whose turns count, −1 where the rig has none; and the root. */
  readonly #turning: readonly number[];
  readonly #root: number;
  readonly #landmarks: PointProjection;
  /** The camera of training. */
  readonly #view: ViewTransform;

  /** For poses of this one's rig. */
  constructor(body: AvatarBody, pose: Pose) {
    const { joints } = pose.rig;
    this.values = new Float64Array(conditionLength(body));
    this.#octaves = body.frequencies;
    this.#turning = body.poseJoints.map((wanted) =>
      joints.findIndex(({ name }) => name === wanted),
    );
    this.#root = joints.findIndex(({ parent }) => parent < 0);
    this.#landmarks = new PointProjection(body.landmarks, pose);
    this.#view = viewTransform(body.camera, body.image, body.image);
  }

  /** The pose must be up to date. */
  update(pose: Pose): Float64Array {
    const { values } = this;
    let at = 0;
    for (const joint of this.#turning) {
      if (joint < 0) values.fill(0, at, at + 3);
      else writeRotationVector(pose.localTurn(joint), values, at);
      at += 3;
    }
    at = encode(values, 0, at, this.#octaves.pose);
    pose.writeShift(this.#root, values, at);
    for (let axis = 0; axis < 3; axis += 1) values[at + axis] = 10 * (values[at + axis] as number);
    at = encode(values, at, 3, this.#octaves.translation);
    const places = this.#landmarks.project(pose, this.#view);
    for (let i = 0; i < places.length; i += 1) values[at + i] = 2 * (places[i] as number) - 1;
    encode(values, at, places.length, this.#octaves.landmarks);
    return values;
  }
}

/** Numbers of a condition. */
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

/** Inputs that all pixels share only move the first bias: b + W[:, last] · condition, from `at` on. */
export function foldCondition(
  { inputs, outputs, weight, bias }: LinearLayer,
  condition: Float64Array,
  into: Float32Array,
  at = 0,
): void {
  const count = condition.length;
  for (let row = 0; row < outputs; row += 1) {
    const first = (row + 1) * inputs - count;
    // Two sums, so that an addition need not wait for the one before.
    let even = bias[row] as number;
    let odd = 0;
    for (let i = 0; i + 1 < count; i += 2) {
      even += (weight[first + i] as number) * (condition[i] as number);
      odd += (weight[first + i + 1] as number) * (condition[i + 1] as number);
    }
    if (count % 2 === 1)
      even += (weight[first + count - 1] as number) * (condition[count - 1] as number);
    into[at + row] = even + odd;
  }
}

/** PE(x, L) = [x, sin(2ᵏπx), cos(2ᵏπx)], each over all of x, which stands at `at` in `values`. Gives where it ends. */
function encode(values: Float64Array, at: number, count: number, octaves: number): number {
  let next = at + count;
  for (let k = 0; k < octaves; k += 1) {
    const rate = Math.PI * 2 ** k;
    for (let i = 0; i < count; i += 1) {
      const angle = (values[at + i] as number) * rate;
      values[next + i] = Math.sin(angle);
      values[next + count + i] = Math.cos(angle);
    }
    next += 2 * count;
  }
  return next;
}

/** Axis × angle, radians, the shorter way round. */
function writeRotationVector(turn: QuaternionBuffer, into: Float64Array, at: number): void {
  const x = turn[0] as number;
  const y = turn[1] as number;
  const z = turn[2] as number;
  const w = turn[3] as number;
  const sine = Math.sqrt(x * x + y * y + z * z);
  const angle = 2 * Math.atan2(w < 0 ? -sine : sine, Math.abs(w));
  const scale = sine < 1e-12 ? 0 : angle / sine;
  into[at] = x * scale;
  into[at + 1] = y * scale;
  into[at + 2] = z * scale;
}
