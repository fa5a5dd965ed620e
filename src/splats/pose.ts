import type { Clip, ClipChannel, Joint, Rig } from '../formats/rig.ts';
import {
  type Affine,
  composeAffine,
  multiplyAffine,
  multiplyQuaternions,
  type QuaternionBuffer,
  slerp,
} from './vector.ts';

/** The momentary pose of a joint, in its parent's frame. */
interface JointPose {
  translation: Float64Array;
  /** What a clip or the rest says. */
  rotation: QuaternionBuffer;
  scale: Float64Array;
  /** What the page adds. */
  turn: QuaternionBuffer;
  /** Joint → model space. */
  world: Affine;
}

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
  /** [live joints] the same, one by one. */
  readonly skins: readonly Float32Array[];
  readonly #poses: readonly JointPose[];
  /** [live joints] model space at rest → joint space. */
  readonly #binds: readonly Affine[];
  /** The live joints and all that stand above them, parents first: a rig may have hundreds of others. */
  readonly #needed: readonly number[];
  /** What poses the joints; null: they are at rest. */
  #clip: Clip | null = null;
  /** The channels of a clip that move needed joints. */
  readonly #channels = new Map<Clip, readonly ClipChannel[]>();

  constructor(rig: Rig) {
    this.rig = rig;
    const { joints, expressions } = rig;
    this.weights = new Float32Array(expressions.length);
    this.liveJoints = liveJointsOf(rig);
    this.liveIndices = Int16Array.from(joints, (_, joint) => this.liveJoints.indexOf(joint));
    this.skinMatrices = new Float32Array(this.liveJoints.length * 12);
    this.skins = this.liveJoints.map((_, i) => this.skinMatrices.subarray(i * 12, i * 12 + 12));
    this.#poses = joints.map(restPose);
    this.#binds = this.liveJoints.map((joint) =>
      affineOfColumns((joints[joint] as Joint).inverseBind),
    );
    this.#needed = neededJoints(rig, this.liveJoints);
  }

  /** Back to the pose of the file; expressions and the page's turns stay. */
  rest(): void {
    if (!this.#clip) return;
    this.#clip = null;
    for (const joint of this.#needed) {
      const { translation, rotation, scale } = this.rig.joints[joint] as Joint;
      const pose = this.#poses[joint] as JointPose;
      pose.translation.set(translation);
      pose.rotation.set(rotation);
      pose.scale.set(scale);
    }
  }

  /** Turns a joint from its rest or clip pose, in its own frame. */
  setTurn(joint: number, turn: ArrayLike<number>): void {
    this.#poses[joint]?.turn.set(turn);
  }

  /** Poses the joints as a clip has them at a time in seconds; those that it leaves are at rest. */
  applyClip(clip: Clip, seconds: number): void {
    if (clip !== this.#clip) this.rest();
    this.#clip = clip;
    let channels = this.#channels.get(clip);
    if (!channels) {
      channels = clip.channels.filter(({ joint }) => this.#needed.includes(joint));
      this.#channels.set(clip, channels);
    }
    for (const channel of channels) this.#applyChannel(channel, seconds);
  }

  #applyChannel({ joint, path, times, values, step }: ClipChannel, seconds: number): void {
    const pose = this.#poses[joint] as JointPose;
    const after = firstAfter(times, seconds);
    const next = Math.min(after, times.length - 1);
    const last = after === times.length ? next : Math.max(0, after - 1);
    const span = (times[next] as number) - (times[last] as number);
    const share = step || span <= 0 ? 0 : Math.max(0, (seconds - (times[last] as number)) / span);
    if (path === 'rotation') {
      slerp(pose.rotation, values, last * 4, next * 4, share);
      return;
    }
    const target = pose[path];
    for (let axis = 0; axis < 3; axis += 1) {
      const start = values[last * 3 + axis] as number;
      target[axis] = start + ((values[next * 3 + axis] as number) - start) * share;
    }
  }

  /** A joint's local turn, to be read at once: what a clip or the rest says, and the page's. */
  localTurn(joint: number): QuaternionBuffer {
    const { rotation, turn } = this.#poses[joint] as JointPose;
    multiplyQuaternions(turned, rotation, turn);
    return turned;
  }

  /** Writes how far a joint is from its rest within its parent, metres: three numbers. */
  writeShift(joint: number, into: Float64Array, at: number): void {
    const rest = this.rig.joints[joint]?.translation;
    const now = this.#poses[joint]?.translation;
    for (let axis = 0; axis < 3; axis += 1) {
      into[at + axis] = rest && now ? (now[axis] as number) - (rest[axis] as number) : 0;
    }
  }

  /** Works out `skinMatrices`. Allocates nothing. */
  update(): void {
    const { joints } = this.rig;
    for (const joint of this.#needed) {
      const { parent } = joints[joint] as Joint;
      const { translation, scale, world } = this.#poses[joint] as JointPose;
      const local = parent < 0 ? world : scratch;
      composeAffine(local, translation, this.localTurn(joint), scale);
      if (parent >= 0) multiplyAffine(world, (this.#poses[parent] as JointPose).world, local);
    }
    for (let i = 0; i < this.liveJoints.length; i += 1) {
      const { world } = this.#poses[this.liveJoints[i] as number] as JointPose;
      multiplyAffine(this.skins[i] as Float32Array, world, this.#binds[i] as Affine);
    }
  }
}

const turned: QuaternionBuffer = new Float64Array(4);
const scratch: Affine = new Float64Array(12);

function restPose({ translation, rotation, scale }: Joint): JointPose {
  return {
    translation: Float64Array.from(translation),
    rotation: Float64Array.from(rotation),
    scale: Float64Array.from(scale),
    turn: Float64Array.of(0, 0, 0, 1),
    world: new Float64Array(12),
  };
}

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

function liveJointsOf({ skinJoints, skinWeights }: Rig): number[] {
  const live = new Set<number>();
  skinWeights.forEach((weight, i) => {
    if (weight > 0) live.add(skinJoints[i] as number);
  });
  return [...live].sort((a, b) => a - b);
}

/** The live joints and all that stand above them, in the order of the rig. */
function neededJoints({ joints }: Rig, live: readonly number[]): number[] {
  const needed = new Set<number>();
  for (const joint of live) {
    for (let at = joint; at >= 0; at = joints[at]?.parent ?? -1) needed.add(at);
  }
  return [...needed].sort((a, b) => a - b);
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
