import { invalidArgument } from '../errors.ts';
import type { Clip, Rig } from '../formats/rig.ts';
import type { AvatarState, ExpressionTrack } from '../types.ts';
import { IdleMotion } from './idle-motion.ts';
import { Pose } from './pose.ts';
import { SpeechMotion } from './speech-motion.ts';
import { StateMotion } from './state-motion.ts';
import {
  multiplyQuaternions,
  type Quaternion,
  quaternionOfRotationVector,
  type Vec3,
} from './vector.ts';

/** What plays: a clip of the file or an expression track. */
interface Playing {
  clip: Clip | null;
  track: ExpressionTrack | null;
  startedAt: number;
  loop: boolean;
}

/**
 * Poses a rig over time, in layers: idle motion, what is played, the state (listening, thinking, speaking), the mouth that says a text.
 * What the page sets wins: an expression that it sets is that, whatever plays.
 */
export class Animator {
  readonly pose: Pose;
  /** The mouth that says a text. */
  readonly speech: SpeechMotion;
  readonly #rig: Rig;
  readonly #set = new Map<number, number>();
  readonly #turns = new Map<number, Quaternion>();
  readonly #idle: IdleMotion;
  readonly #bearing: StateMotion;
  readonly #head: number;
  #playing: Playing | null = null;
  #state: AvatarState = 'idle';
  idle = false;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.pose = new Pose(rig);
    this.#idle = new IdleMotion(rig.expressions);
    this.#bearing = new StateMotion(rig.expressions);
    this.speech = new SpeechMotion(rig.expressions);
    this.#head = rig.joints.findIndex(({ name }) => /^head$/i.test(name));
    this.pose.update();
  }

  /** Does the pose change by itself? */
  get moves(): boolean {
    const { idle, speech } = this;
    return idle || this.#playing !== null || speech.active || this.#bearing.moves(this.#shownState);
  }

  /**
   * Takes a state up within 0.4 s; `still` leaves the head as it is. While a text is said the avatar is speaking, whatever the state.
   * Throws `invalid-argument`.
   */
  setState(state: AvatarState, still: boolean): void {
    if (!avatarStates.includes(state)) throw unknownName('state', String(state), avatarStates);
    this.#state = state;
    this.#bearing.still = still;
  }

  get #shownState(): AvatarState {
    return this.speech.active ? 'speaking' : this.#state;
  }

  /** Weights by name, usually 0..1; those that are not named stay. Throws `invalid-argument` for a name that is not there. */
  setExpression(weights: Readonly<Record<string, number>>): void {
    const entries = Object.entries(weights).map(([name, weight]) => {
      const at = this.#rig.expressions.indexOf(name);
      if (at < 0) throw unknownName('expression', name, this.#rig.expressions);
      if (!Number.isFinite(weight)) {
        throw invalidArgument(
          'avatar/expression',
          `The weight of '${name}' is ${weight}.`,
          'Pass a finite number, usually 0..1.',
        );
      }
      return [at, weight] as const;
    });
    for (const [at, weight] of entries) this.#set.set(at, weight);
  }

  /** Turns a joint from its rest or clip pose, in its own frame. Throws `invalid-argument`. */
  setJoint(name: string, rotation: Quaternion): void {
    const joint = this.#rig.joints.findIndex((candidate) => candidate.name === name);
    const names = this.pose.liveJoints.map((live) => this.#rig.joints[live]?.name ?? '');
    if (joint < 0) throw unknownName('joint', name, names);
    const length = Math.hypot(...rotation);
    if (rotation.length !== 4 || !(Math.abs(length - 1) < 0.01)) {
      throw invalidArgument(
        'avatar/joint',
        `The rotation of '${name}' is no unit quaternion.`,
        'Pass [x, y, z, w] of length 1; [0, 0, 0, 1] is no turn.',
      );
    }
    this.#turns.set(joint, rotation.map((part) => part / length) as unknown as Quaternion);
  }

  /** Starts a clip by its name or an expression track; null ends what plays. Throws `invalid-argument`. */
  play(what: string | ExpressionTrack | null, loop: boolean, nowSeconds: number): void {
    if (what === null) {
      this.#playing = null;
      return;
    }
    if (typeof what !== 'string') {
      this.#playing = { clip: null, track: checkedTrack(what), startedAt: nowSeconds, loop };
      return;
    }
    const clip = this.#rig.clips.find(({ name }) => name === what);
    if (!clip)
      throw unknownName(
        'clip',
        what,
        this.#rig.clips.map(({ name }) => name),
      );
    this.#playing = { clip, track: null, startedAt: nowSeconds, loop };
  }

  /** Brings the pose to a time. */
  update(nowSeconds: number): void {
    const { pose } = this;
    pose.weights.fill(0);
    pose.rest();
    let headTurn: Quaternion = [0, 0, 0, 1];
    if (this.idle) headTurn = this.#idle.apply(pose.weights, nowSeconds);
    if (this.#playing) {
      const played = this.#applyPlaying(this.#playing, nowSeconds);
      headTurn = multiplyQuaternions(headTurn, played);
    }
    const bearing = this.#bearing.apply(pose.weights, this.#shownState, nowSeconds);
    headTurn = multiplyQuaternions(headTurn, bearing);
    this.speech.apply(pose.weights, nowSeconds);
    for (const [at, weight] of this.#set) pose.weights[at] = weight;
    if (this.#head >= 0) pose.setTurn(this.#head, headTurn);
    for (const [joint, own] of this.#turns) {
      pose.setTurn(joint, joint === this.#head ? multiplyQuaternions(headTurn, own) : own);
    }
    pose.update();
  }

  /** The turn of the head that a track wants. */
  #applyPlaying(playing: Playing, nowSeconds: number): Quaternion {
    const { clip, track, startedAt, loop } = playing;
    const seconds = nowSeconds - startedAt;
    const duration = clip ? clip.durationSeconds : trackSeconds(track as ExpressionTrack);
    if (seconds >= duration && !loop) {
      this.#playing = null;
      return [0, 0, 0, 1];
    }
    const at = duration > 0 ? seconds % duration : 0;
    if (clip) this.pose.applyClip(clip, at);
    return track ? this.#applyTrack(track, at) : [0, 0, 0, 1];
  }

  #applyTrack(track: ExpressionTrack, seconds: number): Quaternion {
    const { index, next, share } = frameAt(track, seconds);
    track.names.forEach((name, i) => {
      const at = this.#rig.expressions.indexOf(name);
      if (at < 0) return;
      const from = track.frames[index]?.weights[i] ?? 0;
      const to = track.frames[next]?.weights[i] ?? from;
      this.pose.weights[at] = from + (to - from) * share;
    });
    const [a, b] = [track.head_pose?.[index], track.head_pose?.[next]];
    if (!a || !b) return [0, 0, 0, 1];
    const vector = [0, 1, 2].map((i) => (a[i] ?? 0) + ((b[i] ?? 0) - (a[i] ?? 0)) * share);
    return quaternionOfRotationVector(vector as unknown as Vec3);
  }
}

const avatarStates: readonly AvatarState[] = ['idle', 'listening', 'thinking', 'speaking'];
const defaultFramesPerSecond = 30;

function frameTime(track: ExpressionTrack, index: number): number {
  return track.frames[index]?.time ?? index / (track.fps ?? defaultFramesPerSecond);
}

function trackSeconds(track: ExpressionTrack): number {
  const last = track.frames.length - 1;
  return frameTime(track, last) + 1 / (track.fps ?? defaultFramesPerSecond);
}

/** The frames around a time and how far it is from the first to the second. */
function frameAt(
  track: ExpressionTrack,
  seconds: number,
): { index: number; next: number; share: number } {
  let low = 0;
  let high = track.frames.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (frameTime(track, middle) <= seconds) low = middle;
    else high = middle - 1;
  }
  const next = Math.min(low + 1, track.frames.length - 1);
  const span = frameTime(track, next) - frameTime(track, low);
  const share = span > 0 ? (seconds - frameTime(track, low)) / span : 0;
  return { index: low, next, share: Math.min(1, Math.max(0, share)) };
}

function checkedTrack(track: ExpressionTrack): ExpressionTrack {
  const valid =
    Array.isArray(track.names) &&
    Array.isArray(track.frames) &&
    track.frames.length > 0 &&
    track.frames.every(({ weights }) => Array.isArray(weights));
  if (valid) return track;
  throw invalidArgument(
    'avatar/play',
    'This is neither the name of a clip nor an expression track.',
    'Pass a name of info.clips, or { names, frames: [{ weights, time }] }.',
  );
}

function unknownName(kind: string, name: string, names: readonly string[]): Error {
  const known = names.slice(0, 60).join(', ');
  return invalidArgument(
    `avatar/${kind}`,
    `The avatar has no ${kind} '${name}'.`,
    names.length > 0 ? `It has: ${known}.` : `It has no ${kind}s: use an avatar with a rig.`,
  );
}
