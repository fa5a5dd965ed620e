import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AvatarBody, readAvatarBody } from '../formats/avatar-body.ts';
import { readLamArchive } from '../formats/lam.ts';
import { readZip } from '../formats/zip.ts';
import { bodyThroughNetworks } from '../kernels/body-networks.ref.ts';
import { through } from '../kernels/body-under.ref.ts';
import { BodyCondition, foldCondition } from './body-condition.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import { bodyReach } from './body-pack.ts';
import { viewTransform } from './camera.ts';
import { Pose } from './pose.ts';
import { quaternionOfRotationVector, type Vec3 } from './vector.ts';

/** Written by train/person/body_fixture.py. */
interface Sampled {
  chest: Vec3;
  neck: Vec3;
  shift: Vec3;
  condition: number[];
  uv: [number, number][];
  rgba: number[][];
  displacement: number[][];
}
const poses = JSON.parse(
  readFileSync('e2e/fixtures/avatars/vitrail-person.body.json', 'utf8'),
) as Sampled[];

async function shippedPerson(): Promise<{ body: AvatarBody; pose: Pose }> {
  const entries = readZip(readFileSync('models/vitrail-person.zip'));
  const body = await readAvatarBody(entries);
  if (!body) throw new Error('the shipped person has a body');
  return { body, pose: new Pose((await readLamArchive(entries)).rig) };
}

function take(pose: Pose, { chest, neck, shift }: Sampled): void {
  const { joints } = pose.rig;
  const joint = (wanted: string): number => joints.findIndex(({ name }) => name === wanted);
  pose.setTurn(joint('chest'), quaternionOfRotationVector(chest));
  pose.setTurn(joint('neck'), quaternionOfRotationVector(neck));
  const rest = joints[joint('root')]?.translation ?? [];
  const values = Float32Array.from(rest, (at, i) => at + (shift[i] as number));
  const path = 'translation';
  const channel = {
    joint: joint('root'),
    path,
    times: Float32Array.of(0),
    values,
    step: true,
  } as const;
  pose.applyClip({ name: 'shift', durationSeconds: 1, channels: [channel] }, 0);
  pose.update();
}

function farthest(found: ArrayLike<number>, wanted: readonly number[]): number {
  return Math.max(...wanted.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));
}

describe('the networks of the shipped body', () => {
  it('see and say what those of the recipe do', async () => {
    const { body, pose } = await shippedPerson();
    expect(poses).toHaveLength(3);
    const seen = new BodyCondition(body, pose);
    for (const expected of poses) {
      take(pose, expected);
      const condition = seen.update(pose);
      expect(condition).toHaveLength(expected.condition.length);
      expect(farthest(condition, expected.condition)).toBeLessThan(1e-5);
      expected.uv.forEach(([u, v], i) => {
        const { color, alpha, displacement } = bodyThroughNetworks(body, [...condition], u, v);
        // The condition is single precision here, and the steepest network input turns 512 times across the picture.
        expect(farthest(displacement, expected.displacement[i] ?? [])).toBeLessThan(2e-5);
        expect(farthest([...color, alpha], expected.rgba[i] ?? [])).toBeLessThan(1e-3);
      });
    }
  });

  it('show no body where nobody asks them', async () => {
    const { body, pose } = await shippedPerson();
    const reach = bodyReach(body);
    let outside = 0;
    for (const sampled of poses) {
      take(pose, sampled);
      const condition = [...new BodyCondition(body, pose).update(pose)];
      const view = viewTransform(body.camera, body.image, body.image);
      const h = solveHomography(projectPoints(body.anchors, pose, view), body.targets) ?? [];
      for (let i = 0; i < 24 * 24; i += 1) {
        const [u, v] = [((i % 24) + 0.5) / 24, (Math.floor(i / 24) + 0.5) / 24];
        const [x, y] = through(h, u, v) ?? [Number.NaN, Number.NaN];
        const seen = body.networksSee === 'homography' ? [x, y] : [u, v];
        const [left, top, right, bottom] = reach as [number, number, number, number];
        if (x >= left && x <= right && y >= top && y <= bottom) continue;
        outside += 1;
        const [across, down] = seen as [number, number];
        expect(bodyThroughNetworks(body, condition, across, down).alpha).toBe(0);
      }
    }
    console.info(`outside of the reach: ${((100 * outside) / (3 * 24 * 24)).toFixed(0)} %`);
    expect(outside).toBeGreaterThan(300);
  });

  it('take their shared inputs as a bias', () => {
    const layer = {
      inputs: 3,
      outputs: 2,
      weight: Float32Array.of(1, 2, 3, 4, 5, 6),
      bias: Float32Array.of(0.5, -0.5),
    };
    const bias = new Float32Array(2);
    foldCondition(layer, Float64Array.of(10, 100), bias);
    expect([...bias]).toEqual([320.5, 649.5]);
  });
});
