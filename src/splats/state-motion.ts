import type { AvatarState } from '../types.ts';
import { type QuaternionBuffer, turnBy } from './vector.ts';

/** Seconds from one state to the next. */
const blendSeconds = 0.4;

/** What a face does in a state, on top of what else it does. */
interface Bearing {
  weights: Readonly<Record<string, number>>;
  /** The turn of the head at a time: radians around x (down), y (to its left) and z (to its right shoulder). */
  turn(seconds: number): readonly [number, number, number];
}

const bearings: Readonly<Record<Exclude<AvatarState, 'idle'>, Bearing>> = {
  listening: {
    weights: {
      browInnerUp: 0.24,
      browOuterUpLeft: 0.14,
      browOuterUpRight: 0.14,
      eyeWideLeft: 0.1,
      eyeWideRight: 0.1,
      mouthSmileLeft: 0.1,
      mouthSmileRight: 0.1,
    },
    // Leans in with the head aside, and nods now and then.
    turn: (seconds) => [0.04 + 0.05 * nod(seconds, 3.4), 0.02 * Math.sin(seconds * 0.6), 0.07],
  },
  thinking: {
    weights: {
      eyeLookUpLeft: 0.42,
      eyeLookUpRight: 0.42,
      eyeLookOutLeft: 0.36,
      eyeLookInRight: 0.36,
      browInnerUp: 0.2,
      browDownRight: 0.18,
      browOuterUpLeft: 0.22,
      mouthPressLeft: 0.2,
      mouthPressRight: 0.2,
      mouthPucker: 0.12,
    },
    turn: (seconds) => [
      -0.06 + 0.012 * Math.sin(seconds * 0.9),
      0.12 + 0.03 * Math.sin(seconds * 0.5),
      -0.035,
    ],
  },
  speaking: {
    weights: { browInnerUp: 0.1, browOuterUpLeft: 0.06, browOuterUpRight: 0.06 },
    turn: (seconds) => [
      0.022 * Math.sin(seconds * 2.9) + 0.014 * Math.sin(seconds * 4.7 + 1),
      0.035 * Math.sin(seconds * 1.3) + 0.015 * Math.sin(seconds * 2.3 + 2),
      0.018 * Math.sin(seconds * 1.7 + 0.5),
    ],
  },
};

const states = Object.keys(bearings) as (keyof typeof bearings)[];

/** How someone holds the head, looks and lifts the brows while listening, thinking or speaking; states blend into one another. */
export class StateMotion {
  readonly #weights: readonly (readonly { at: number; weight: number }[])[];
  /** [states] how far each one is taken up, 0..1. */
  readonly #shares: Float64Array = new Float64Array(states.length);
  #last: number | null = null;
  #wanted: AvatarState = 'idle';
  /** For visitors who prefer reduced motion: the face takes up the state, the head stays as it is. */
  still = false;

  constructor(expressions: readonly string[]) {
    this.#weights = states.map((state) =>
      Object.entries(bearings[state].weights)
        .map(([name, weight]) => ({ at: expressions.indexOf(name), weight }))
        .filter(({ at }) => at >= 0),
    );
  }

  /** Has the face anything to do in this state, or to leave behind? */
  moves(state: AvatarState): boolean {
    if (state !== this.#wanted) return true;
    if (state !== 'idle' && !this.still) return true;
    for (let i = 0; i < states.length; i += 1) {
      if (this.#shares[i] !== (states[i] === state ? 1 : 0)) return true;
    }
    return false;
  }

  /** Goes on towards a state: adds to the weights and turns the head on. */
  apply(
    weights: Float32Array,
    headTurn: QuaternionBuffer,
    state: AvatarState,
    nowSeconds: number,
  ): void {
    const step = Math.max(0, nowSeconds - (this.#last ?? nowSeconds)) / blendSeconds;
    this.#last = nowSeconds;
    this.#wanted = state;
    let x = 0;
    let y = 0;
    let z = 0;
    for (let i = 0; i < states.length; i += 1) {
      const each = states[i] as (typeof states)[number];
      const share = towards(this.#shares[i] as number, each === state ? 1 : 0, step);
      this.#shares[i] = share;
      if (share === 0) continue;
      const eased = share * share * (3 - 2 * share);
      for (const { at, weight } of this.#weights[i] ?? []) {
        weights[at] = Math.min(1, (weights[at] as number) + weight * eased);
      }
      if (this.still) continue;
      const turn = bearings[each].turn(nowSeconds);
      x += turn[0] * eased;
      y += turn[1] * eased;
      z += turn[2] * eased;
    }
    // What rests is not asked at each frame: the next state begins when it is asked again.
    if (!this.moves(state)) this.#last = null;
    turnBy(headTurn, x, y, z);
  }
}

function towards(value: number, target: number, step: number): number {
  return value < target ? Math.min(target, value + step) : Math.max(target, value - step);
}

/** A nod of a second in each period, 0 between them. */
function nod(seconds: number, period: number): number {
  const phase = seconds % period;
  return phase < 1 ? Math.sin(phase * Math.PI) ** 2 : 0;
}
