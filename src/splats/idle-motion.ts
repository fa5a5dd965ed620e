import { type Quaternion, quaternionOfRotationVector } from './vector.ts';

const blinkSeconds = 0.22;

/** Blinks, small movements of the eyes and a slow sway of the head: what a face does when nothing is asked of it. */
export class IdleMotion {
  readonly #expressions: readonly string[];

  constructor(expressions: readonly string[]) {
    this.#expressions = expressions;
  }

  /** Sets weights for a time and gives the turn of the head. The same time gives the same motion. */
  apply(weights: Float32Array, seconds: number): Quaternion {
    const blink = blinkAt(seconds);
    const [x, y] = gazeAt(seconds);
    this.#set(weights, 'eyeBlinkLeft', blink);
    this.#set(weights, 'eyeBlinkRight', blink);
    this.#set(weights, 'eyeLookOutLeft', Math.max(0, x));
    this.#set(weights, 'eyeLookInRight', Math.max(0, x));
    this.#set(weights, 'eyeLookInLeft', Math.max(0, -x));
    this.#set(weights, 'eyeLookOutRight', Math.max(0, -x));
    this.#set(weights, 'eyeLookUpLeft', Math.max(0, y));
    this.#set(weights, 'eyeLookUpRight', Math.max(0, y));
    this.#set(weights, 'eyeLookDownLeft', Math.max(0, -y));
    this.#set(weights, 'eyeLookDownRight', Math.max(0, -y));
    this.#set(weights, 'mouthSmileLeft', 0.08 + 0.04 * Math.sin(seconds * 0.31));
    this.#set(weights, 'mouthSmileRight', 0.08 + 0.04 * Math.sin(seconds * 0.31));
    return quaternionOfRotationVector([
      0.012 * Math.sin(seconds * 0.73) + 0.008 * Math.sin(seconds * 1.37 + 1),
      0.03 * Math.sin(seconds * 0.41) + 0.012 * Math.sin(seconds * 0.97 + 2),
      0.01 * Math.sin(seconds * 0.53 + 0.5),
    ]);
  }

  #set(weights: Float32Array, name: string, weight: number): void {
    const at = this.#expressions.indexOf(name);
    if (at >= 0) weights[at] = weight;
  }
}

/** One blink in each slot of four seconds, at a place that the slot's number gives. */
function blinkAt(seconds: number): number {
  const slot = Math.floor(seconds / 4);
  const start = 0.3 + noise(slot) * 3.2;
  const phase = (seconds - slot * 4 - start) / blinkSeconds;
  if (phase < 0 || phase > 1) return 0;
  return Math.sin(phase * Math.PI) ** 0.7;
}

/** Looks somewhere for a second or so, then jumps: right and up are positive. */
function gazeAt(seconds: number): [number, number] {
  const slot = Math.floor(seconds / 1.3);
  const share = Math.min(1, (seconds / 1.3 - slot) * 12);
  const place = (at: number): [number, number] => [
    (noise(at * 2 + 101) - 0.5) * 0.3,
    (noise(at * 2 + 102) - 0.5) * 0.2,
  ];
  const [from, to] = [place(slot - 1), place(slot)];
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
}

/** A number 0..1 that looks random. */
function noise(index: number): number {
  const value = Math.sin(index * 127.1 + 11.7) * 43_758.5453;
  return value - Math.floor(value);
}
