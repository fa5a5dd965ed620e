import { describe, expect, it } from 'vitest';
import type { Clip, Rig } from '../formats/rig.ts';
import { Animator } from './animator.ts';
import { IdleMotion } from './idle-motion.ts';
import { Pose } from './pose.ts';

const identity = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
const half = Math.SQRT1_2;

/** A head one metre above its root; one splat hangs on it. */
function headRig(clips: Clip[] = []): Rig {
  const joint = { rotation: [0, 0, 0, 1], scale: [1, 1, 1] };
  const bind = Float32Array.from(identity, (value, i) => (i === 13 ? -1 : value));
  return {
    expressions: ['jawOpen', 'eyeBlinkLeft', 'eyeBlinkRight'],
    morphs: [],
    joints: [
      { ...joint, name: 'root', parent: -1, translation: [0, 0, 0], inverseBind: identity },
      { ...joint, name: 'head', parent: 0, translation: [0, 1, 0], inverseBind: bind },
    ],
    skinJoints: Uint8Array.of(1, 0, 0, 0),
    skinWeights: Float32Array.of(1, 0, 0, 0),
    clips,
  };
}

/** Where a point of the model at rest goes with the only live joint. */
function posed({ skinMatrices: m }: Pose, [x, y, z]: readonly [number, number, number]): number[] {
  return [0, 4, 8].map((row) => {
    const [a, b, c, d] = m.subarray(row, row + 4) as unknown as [number, number, number, number];
    return Number((a * x + b * y + c * z + d).toFixed(5));
  });
}

const nod: Clip = {
  name: 'nod',
  durationSeconds: 2,
  channels: [
    {
      joint: 1,
      path: 'rotation',
      times: Float32Array.of(0, 1, 2),
      values: Float32Array.of(0, 0, 0, 1, half, 0, 0, half, 0, 0, 0, 1),
      step: false,
    },
    {
      joint: 0,
      path: 'translation',
      times: Float32Array.of(0, 1),
      values: Float32Array.of(0, 0, 0, 4, 0, 0),
      step: true,
    },
  ],
};

describe('a pose', () => {
  it('leaves the model as it is at rest', () => {
    const pose = new Pose(headRig());
    pose.update();
    expect(posed(pose, [0.2, 1.3, 0.4])).toEqual([0.2, 1.3, 0.4]);
    expect(pose.liveJoints).toEqual([1]);
  });

  it('turns about the joint, not about the origin', () => {
    const pose = new Pose(headRig());
    pose.setTurn(1, [0, 0, half, half]);
    pose.update();
    expect(posed(pose, [0.5, 1, 0])).toEqual([0, 1.5, 0]);
  });

  it('interpolates rotations on the sphere and holds steps', () => {
    const pose = new Pose(headRig());
    pose.applyClip(nod, 0.5);
    pose.update();
    // Half of a quarter turn about x.
    expect(posed(pose, [0, 2, 0])).toEqual([0, 1.70711, Number(half.toFixed(5))]);
    pose.applyClip(nod, 1.5);
    pose.update();
    expect(posed(pose, [0, 2, 0])[0]).toBe(4);
  });
});

describe('the animator', () => {
  it('plays a clip once, or in a loop', () => {
    const animator = new Animator(headRig([nod]));
    animator.play('nod', false, 10);
    animator.update(11);
    expect(posed(animator.pose, [0, 2, 0])).toEqual([4, 1, 1]);
    expect(animator.moves).toBe(true);
    animator.update(12.5);
    expect(posed(animator.pose, [0, 2, 0])).toEqual([0, 2, 0]);
    expect(animator.moves).toBe(false);
    animator.play('nod', true, 20);
    animator.update(23);
    expect(posed(animator.pose, [0, 2, 0])).toEqual([4, 1, 1]);
  });

  it('plays tracks between their frames, head pose too, and what the page sets wins', () => {
    const animator = new Animator(headRig());
    const track = {
      names: ['jawOpen', 'tongueOut'],
      frames: [{ weights: [0, 1] }, { weights: [1, 1] }],
      fps: 2,
      head_pose: [
        [0, 0, 0],
        [0, 0, Math.PI / 2],
      ],
    };
    animator.play(track, true, 0);
    animator.update(0.25);
    expect(animator.pose.weights[0]).toBeCloseTo(0.5, 6);
    expect(posed(animator.pose, [0.5, 1, 0])).toEqual([0.35355, 1.35355, 0]);
    animator.setExpression({ jawOpen: 0.1 });
    animator.update(0.25);
    expect(animator.pose.weights[0]).toBeCloseTo(0.1, 6);
  });

  it('names what an avatar has where a name is wrong', () => {
    const animator = new Animator(headRig([nod]));
    const wrong: [() => void, RegExp][] = [
      [() => animator.setExpression({ smile: 1 }), /jawOpen/],
      [() => animator.setExpression({ jawOpen: Number.NaN }), /finite/],
      [() => animator.setJoint('hand', [0, 0, 0, 1]), /head/],
      [() => animator.setJoint('head', [0, 0, 0, 2]), /length 1/],
      [() => animator.play('wave', false, 0), /nod/],
      [() => animator.play({ names: [], frames: [] }, false, 0), /clips/],
    ];
    for (const [call, fix] of wrong) {
      expect(call).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
      expect(call).toThrowError(expect.objectContaining({ fix: expect.stringMatching(fix) }));
    }
  });
});

describe('idle motion', () => {
  it('blinks in each four seconds, opens the eyes again, and is the same at the same time', () => {
    const idle = new IdleMotion(['eyeBlinkLeft', 'eyeLookUpLeft']);
    for (let slot = 0; slot < 8; slot += 1) {
      const blinks = Array.from({ length: 400 }, (_, i) => {
        const weights = new Float32Array(2);
        const turn = Float64Array.of(0, 0, 0, 1);
        idle.apply(weights, turn, slot * 4 + i / 100);
        expect(Math.abs(turn[3] as number)).toBeGreaterThan(0.999);
        expect(weights[1]).toBeLessThanOrEqual(0.11);
        return weights[0] as number;
      });
      expect(Math.max(...blinks)).toBeGreaterThan(0.9);
      expect(blinks.filter((weight) => weight > 0).length).toBeLessThan(30);
    }
    const twice = [0, 1].map(() => {
      const weights = new Float32Array(2);
      idle.apply(weights, Float64Array.of(0, 0, 0, 1), 7.3);
      return [...weights];
    });
    expect(twice[0]).toEqual(twice[1]);
  });
});
