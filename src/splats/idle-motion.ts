import { type QuaternionBuffer, turnBy } from './vector.ts';

const blinkSeconds = 0.22;

/** What each movement needs of a rig. */
const names = {
  blink: ['eyeBlinkLeft', 'eyeBlinkRight'],
  left: ['eyeLookInLeft', 'eyeLookOutRight'],
  right: ['eyeLookOutLeft', 'eyeLookInRight'],
  up: ['eyeLookUpLeft', 'eyeLookUpRight'],
  down: ['eyeLookDownLeft', 'eyeLookDownRight'],
  smile: ['mouthSmileLeft', 'mouthSmileRight'],
} as const;
type Movement = keyof typeof names;

/** Blinks, small movements of the eyes and a slow sway of the head: what a face does when nothing is asked of it. */
export class IdleMotion {
  readonly #places: Readonly<Record<Movement, readonly number[]>>;

  constructor(expressions: readonly string[]) {
    const placesOf = (movement: Movement): number[] =>
      names[movement].map((name) => expressions.indexOf(name)).filter((at) => at >= 0);
    this.#places = {
      blink: placesOf('blink'),
      left: placesOf('left'),
      right: placesOf('right'),
      up: placesOf('up'),
      down: placesOf('down'),
      smile: placesOf('smile'),
    };
  }

  /** Sets weights for a time and turns the head on. The same time gives the same motion. */
  apply(weights: Float32Array, headTurn: QuaternionBuffer, seconds: number): void {
    const { blink, left, right, up, down, smile } = this.#places;
    const x = gazeAt(seconds, 101, 0.3);
    const y = gazeAt(seconds, 102, 0.2);
    setAll(weights, blink, blinkAt(seconds));
    setAll(weights, right, Math.max(0, x));
    setAll(weights, left, Math.max(0, -x));
    setAll(weights, up, Math.max(0, y));
    setAll(weights, down, Math.max(0, -y));
    setAll(weights, smile, 0.08 + 0.04 * Math.sin(seconds * 0.31));
    turnBy(
      headTurn,
      0.012 * Math.sin(seconds * 0.73) + 0.008 * Math.sin(seconds * 1.37 + 1),
      0.03 * Math.sin(seconds * 0.41) + 0.012 * Math.sin(seconds * 0.97 + 2),
      0.01 * Math.sin(seconds * 0.53 + 0.5),
    );
  }
}

function setAll(weights: Float32Array, places: readonly number[], weight: number): void {
  for (const place of places) weights[place] = weight;
}

/** One blink in each slot of four seconds, at a place that the slot's number gives. */
function blinkAt(seconds: number): number {
  const slot = Math.floor(seconds / 4);
  const start = 0.3 + noise(slot) * 3.2;
  const phase = (seconds - slot * 4 - start) / blinkSeconds;
  if (phase < 0 || phase > 1) return 0;
  return Math.sin(phase * Math.PI) ** 0.7;
}

/** Looks somewhere within a reach for a second or so, then jumps, along one axis: right and up are positive. */
function gazeAt(seconds: number, axis: number, reach: number): number {
  const slot = Math.floor(seconds / 1.3);
  const share = Math.min(1, (seconds / 1.3 - slot) * 12);
  const from = (noise((slot - 1) * 2 + axis) - 0.5) * reach;
  const to = (noise(slot * 2 + axis) - 0.5) * reach;
  return from + (to - from) * share;
}

/** A number 0..1 that looks random. */
function noise(index: number): number {
  const value = Math.sin(index * 127.1 + 11.7) * 43_758.5453;
  return value - Math.floor(value);
}
