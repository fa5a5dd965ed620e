import type { Clip, ClipChannel, Joint, Rig } from '../formats/rig.ts';
import {
  type Affine,
  composeAffine,
  multiplyAffine,
  multiplyQuaternions,
  type Quaternion,
  slerp,
} from './vector.ts';

/**
 * The momentary pose of a rig: expression weights and joints. A joint's local pose is its rest, or what a clip says, and then a turn
 * that the page sets, in the joint's own frame.
 */
export class Pose {
  readonly rig: Rig;
  /** [expressions] */
  readonly weights: Float32Array;
  /** Joints that move splats, as indices into `rig.joints`; the GPU knows these alone. */
  readonly liveJoints: readonly number[];
  /** [joints] place of a joint among the live ones, −1 for the others. */
  readonly liveIndices: Int16Array;
  /** [live joints, 12] row-major 3×4: model space at rest → posed. */
  readonly skinMatrices: Float32Array;
  readonly #translations: Float64Array;
  readonly #rotations: Quaternion[];
  readonly #scales: Float64Array;
  readonly #turns: Quaternion[];
  readonly #world: readonly Affine[];
  readonly #binds: readonly Affine[];
  /** The live joints and all that stand above them, parents first: a rig may have hundreds of others. */
  readonly #needed: readonly number[];
  readonly #isNeeded: readonly boolean[];

  constructor(rig: Rig) {
    this.rig = rig;
    const { joints, expressions } = rig;
    this.weights = new Float32Array(expressions.length);
    this.liveJoints = liveJointsOf(rig);
    this.liveIndices = Int16Array.from(joints, (_, joint) => this.liveJoints.indexOf(joint));
    this.skinMatrices = new Float32Array(this.liveJoints.length * 12);
    this.#translations = new Float64Array(joints.length * 3);
    this.#scales = new Float64Array(joints.length * 3);
    this.#rotations = joints.map(() => noTurn);
    this.#turns = joints.map(() => noTurn);
    this.#world = joints.map(() => new Float64Array(12));
    this.#binds = joints.map(({ inverseBind }) => affineOfColumns(inverseBind));
    this.#isNeeded = neededJoints(rig, this.liveJoints);
    this.#needed = joints.flatMap((_, joint) => (this.#isNeeded[joint] ? [joint] : []));
    for (const joint of joints.keys()) this.#restJoint(joint);
  }

  /** Back to the pose of the file; expressions and the page's turns stay. */
  rest(): void {
    for (const joint of this.#needed) this.#restJoint(joint);
  }

  #restJoint(joint: number): void {
    const { translation, rotation, scale } = this.rig.joints[joint] as Joint;
    this.#translations.set(translation, joint * 3);
    this.#rotations[joint] = rotation as unknown as Quaternion;
    this.#scales.set(scale, joint * 3);
  }

  /** Turns a joint from its rest or clip pose, in its own frame. */
  setTurn(joint: number, turn: Quaternion): void {
    this.#turns[joint] = turn;
  }

  /** Poses the joints as a clip has them at a time in seconds. */
  applyClip(clip: Clip, seconds: number): void {
    for (const channel of clip.channels) {
      if (this.#isNeeded[channel.joint]) this.#applyChannel(channel, seconds);
    }
  }

  #applyChannel({ joint, path, times, values, step }: ClipChannel, seconds: number): void {
    const after = firstAfter(times, seconds);
    const next = Math.min(after, times.length - 1);
    const last = after === times.length ? next : Math.max(0, after - 1);
    const span = (times[next] as number) - (times[last] as number);
    const share = step || span <= 0 ? 0 : Math.max(0, (seconds - (times[last] as number)) / span);
    if (path === 'rotation') {
      this.#rotations[joint] = slerp(quaternionAt(values, last), quaternionAt(values, next), share);
      return;
    }
    const target = path === 'scale' ? this.#scales : this.#translations;
    for (let axis = 0; axis < 3; axis += 1) {
      const start = values[last * 3 + axis] as number;
      target[joint * 3 + axis] = start + ((values[next * 3 + axis] as number) - start) * share;
    }
  }

  /** A joint's local turn: what a clip or the rest says, and the page's. */
  localTurn(joint: number): Quaternion {
    return multiplyQuaternions(
      this.#rotations[joint] as Quaternion,
      this.#turns[joint] as Quaternion,
    );
  }

  /** How far a joint is from its rest within its parent, metres. */
  shift(joint: number): number[] {
    const rest = this.rig.joints[joint]?.translation ?? [];
    return Array.from(rest, (at, i) => (this.#translations[joint * 3 + i] as number) - at);
  }

  /** Works out `skinMatrices`. Allocates nothing that grows. */
  update(): void {
    const { joints } = this.rig;
    for (const joint of this.#needed) {
      const { parent } = joints[joint] as Joint;
      const turned = this.localTurn(joint);
      const world = this.#world[joint] as Affine;
      const local = parent < 0 ? world : scratch;
      const translation = this.#translations.subarray(joint * 3, joint * 3 + 3);
      composeAffine(local, translation, turned, this.#scales.subarray(joint * 3, joint * 3 + 3));
      if (parent >= 0) multiplyAffine(world, this.#world[parent] as Affine, local);
    }
    this.liveJoints.forEach((joint, i) => {
      multiplyAffine(scratch, this.#world[joint] as Affine, this.#binds[joint] as Affine);
      this.skinMatrices.set(scratch, i * 12);
    });
  }
}

const noTurn: Quaternion = [0, 0, 0, 1];
const scratch: Affine = new Float64Array(12);

/** The first keyframe behind a time; as many as there are, where none is. */
function firstAfter(times: Float32Array, seconds: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) > seconds) high = middle;
    else low = middle + 1;
  }
  return low;
}

function quaternionAt(values: Float32Array, key: number): Quaternion {
  return values.subarray(key * 4, key * 4 + 4) as unknown as Quaternion;
}

function liveJointsOf({ skinJoints, skinWeights }: Rig): number[] {
  const live = new Set<number>();
  skinWeights.forEach((weight, i) => {
    if (weight > 0) live.add(skinJoints[i] as number);
  });
  return [...live].sort((a, b) => a - b);
}

/** The live joints and all that stand above them. */
function neededJoints({ joints }: Rig, live: readonly number[]): boolean[] {
  const needed = joints.map(() => false);
  for (const joint of live) {
    for (let at = joint; at >= 0; at = joints[at]?.parent ?? -1) needed[at] = true;
  }
  return needed;
}

/** glTF's column-major 4×4 as a row-major 3×4. */
function affineOfColumns(columns: Float32Array): Affine {
  const affine = new Float64Array(12);
  for (let row = 0; row < 3; row += 1) {
    for (let column = 0; column < 4; column += 1) {
      affine[row * 4 + column] = columns[column * 4 + row] as number;
    }
  }
  return affine;
}
