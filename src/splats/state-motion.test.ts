import { describe, expect, it } from 'vitest';
import type { AvatarState } from '../types.ts';
import { StateMotion } from './state-motion.ts';

const names = ['eyeLookUpLeft', 'browInnerUp'];

/** Goes on in a state for some seconds; gives the weights, the angle of the head and the fastest change of either. */
function hold(
  motion: StateMotion,
  state: AvatarState,
  [from, to]: [number, number],
): { gaze: number; brow: number; angle: number; step: number } {
  let [angle, step] = [0, 0];
  let weights = new Float32Array(2);
  for (let frame = Math.round(from * 60); frame <= Math.round(to * 60); frame += 1) {
    const before = weights;
    weights = new Float32Array(2);
    const turn = Float64Array.of(0, 0, 0, 1);
    motion.apply(weights, turn, state, frame / 60);
    angle = 2 * Math.acos(Math.min(1, Math.abs(turn[3] as number)));
    if (frame > from * 60) step = Math.max(step, Math.abs((weights[0] ?? 0) - (before[0] ?? 0)));
  }
  return { gaze: weights[0] as number, brow: weights[1] as number, angle, step };
}

describe('states', () => {
  it('are taken up and left within 0.4 s, without a jump', () => {
    const motion = new StateMotion(names);
    expect(hold(motion, 'idle', [0, 1])).toEqual({ gaze: 0, brow: 0, angle: 0, step: 0 });
    const begun = hold(motion, 'thinking', [1, 1.2]);
    expect(begun.gaze).toBeGreaterThan(0.1);
    const thinking = hold(motion, 'thinking', [1.2, 1.5]);
    expect(thinking.gaze).toBeCloseTo(0.42, 5);
    expect(thinking.angle).toBeGreaterThan(0.08);
    expect(thinking.angle).toBeLessThan(0.25);
    expect(Math.max(begun.step, thinking.step)).toBeLessThan(0.05);
    const listening = hold(motion, 'listening', [1.5, 2]);
    expect(listening.gaze).toBe(0);
    expect(listening.brow).toBeCloseTo(0.24, 5);
    expect(motion.moves('listening')).toBe(true);
    expect(hold(motion, 'idle', [2, 2.5]).angle).toBe(0);
    expect(motion.moves('idle')).toBe(false);
  });

  it('leave the head as it is where reduced motion is preferred, and then rest', () => {
    const motion = new StateMotion(names);
    motion.still = true;
    expect(motion.moves('thinking')).toBe(true);
    const thinking = hold(motion, 'thinking', [0, 0.5]);
    expect(thinking.gaze).toBeCloseTo(0.42, 5);
    expect(thinking.angle).toBe(0);
    expect(motion.moves('thinking')).toBe(false);
  });
});
