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
  type QuaternionBuffer,
  resetTurn,
  turnBy,
} from './vector.ts';

/** What plays: a clip of the file or an expression track. */
interface Playing {
  clip: Clip | null;
  track: ExpressionTrack | null;
  /** Of the track's names in the rig; −1 where it has none. */
  places: readonly number[];
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
  /** [expressions] what the page sets; NaN: nothing. */
  readonly #set: Float32Array;
  readonly #turns: { joint: number; turn: QuaternionBuffer }[] = [];
  readonly #headTurn: QuaternionBuffer = new Float64Array(4);
  readonly #idle: IdleMotion;
  readonly #bearing: StateMotion;
  readonly #head: number;
  #playing: Playing | null = null;
  #state: AvatarState = 'idle';
  idle = false;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.pose = new Pose(rig);
    this.#set = new Float32Array(rig.expressions.length).fill(Number.NaN);
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
    for (const [at, weight] of entries) this.#set[at] = weight;
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
    const turn = Float64Array.from(rotation, (part) => part / length);
    const before = this.#turns.find((own) => own.joint === joint);
    if (before) before.turn = turn;
    else this.#turns.push({ joint, turn });
  }

  /** Starts a clip by its name or an expression track; null ends what plays. Throws `invalid-argument`. */
  play(what: string | ExpressionTrack | null, loop: boolean, nowSeconds: number): void {
    if (what === null) {
      this.#playing = null;
      return;
    }
    if (typeof what !== 'string') {
      const track = checkedTrack(what);
      const places = track.names.map((name) => this.#rig.expressions.indexOf(name));
      this.#playing = { clip: null, track, places, startedAt: nowSeconds, loop };
      return;
    }
    const clip = this.#rig.clips.find(({ name }) => name === what);
    if (!clip)
      throw unknownName(
        'clip',
        what,
        this.#rig.clips.map(({ name }) => name),
      );
    this.#playing = { clip, track: null, places: [], startedAt: nowSeconds, loop };
  }

  /** Brings the pose to a time. Allocates nothing. */
  update(nowSeconds: number): void {
    const { pose } = this;
    const { weights } = pose;
    const turn = this.#headTurn;
    weights.fill(0);
    if (!this.#playing?.clip) pose.rest();
    resetTurn(turn);
    if (this.idle) this.#idle.apply(weights, turn, nowSeconds);
    if (this.#playing) this.#applyPlaying(this.#playing, nowSeconds);
    this.#bearing.apply(weights, turn, this.#shownState, nowSeconds);
    this.speech.apply(weights, nowSeconds);
    for (let i = 0; i < weights.length; i += 1) {
      const weight = this.#set[i] as number;
      if (!Number.isNaN(weight)) weights[i] = weight;
    }
    for (const own of this.#turns) {
      if (own.joint === this.#head) multiplyQuaternions(turn, turn, own.turn);
      else pose.setTurn(own.joint, own.turn);
    }
    if (this.#head >= 0) pose.setTurn(this.#head, turn);
    pose.update();
  }

  #applyPlaying(playing: Playing, nowSeconds: number): void {
    const { clip, track, places, startedAt, loop } = playing;
    const seconds = nowSeconds - startedAt;
    const duration = clip ? clip.durationSeconds : trackSeconds(track as ExpressionTrack);
    if (seconds >= duration && !loop) {
      this.#playing = null;
      this.pose.rest();
      return;
    }
    const at = duration > 0 ? seconds % duration : 0;
    if (clip) this.pose.applyClip(clip, at);
    if (track) this.#applyTrack(track, places, at);
  }

  /** Sets weights, and turns the head as the track wants it. */
  #applyTrack(track: ExpressionTrack, places: readonly number[], seconds: number): void {
    const { frames, head_pose: turns } = track;
    const index = frameAt(track, seconds);
    const next = Math.min(index + 1, frames.length - 1);
    const start = frameTime(track, index);
    const span = frameTime(track, next) - start;
    const share = span > 0 ? Math.min(1, Math.max(0, (seconds - start) / span)) : 0;
    const from = frames[index]?.weights ?? [];
    const to = frames[next]?.weights ?? [];
    for (let i = 0; i < places.length; i += 1) {
      const place = places[i] as number;
      if (place >= 0) this.pose.weights[place] = between(from, to, i, share);
    }
    const a = turns?.[index];
    const b = turns?.[next];
    if (!a || !b) return;
    const turn = this.#headTurn;
    turnBy(turn, between(a, b, 0, share), between(a, b, 1, share), between(a, b, 2, share));
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

/** The last frame that begins by a time, or the first. */
function frameAt(track: ExpressionTrack, seconds: number): number {
  let low = 0;
  let high = track.frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frameTime(track, middle) <= seconds) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What is missing is 0 before, and stays as it was after. */
function between(a: readonly number[], b: readonly number[], i: number, share: number): number {
  const from = a[i] ?? 0;
  return from + ((b[i] ?? from) - from) * share;
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
