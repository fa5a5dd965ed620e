import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readAvatarBody } from '../formats/avatar-body.ts';
import { readLamArchive } from '../formats/lam.ts';
import type { Clip } from '../formats/rig.ts';
import { readZip } from '../formats/zip.ts';
import { bakedTexel, displaced } from '../kernels/body-under.ref.ts';
import { Displacement } from './body-displacement.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import { viewTransform } from './camera.ts';
import { Pose } from './pose.ts';
import { quaternionOfRotationVector, type Vec3 } from './vector.ts';

const expected = JSON.parse(readFileSync('e2e/fixtures/avatars/made-up.expected.json', 'utf8')) as {
  turns: Record<string, Vec3>;
  shift: number[];
  projections: number[][];
  landmarks: number[][];
  homography: number[][];
  shares: number[];
  pixels: number[][];
  fast: number[][];
};

describe('the homography of a body', () => {
  it('is that of the recipe, for its pose and camera', async () => {
    const entries = readZip(readFileSync('e2e/fixtures/avatars/made-up.zip'));
    const { rig } = await readLamArchive(entries);
    const body = await readAvatarBody(entries);
    if (!body) throw new Error('the fixture has a body');
    const pose = new Pose(rig);
    const root = rig.joints.findIndex(({ name }) => name === 'root');
    const rest = rig.joints[root]?.translation ?? [];
    const shifted = Float32Array.from(rest, (value, i) => value + (expected.shift[i] ?? 0));
    const clip: Clip = {
      name: 'shift',
      durationSeconds: 1,
      channels: [
        {
          joint: root,
          path: 'translation',
          times: Float32Array.of(0),
          values: shifted,
          step: true,
        },
      ],
    };
    pose.applyClip(clip, 0);
    for (const [name, turn] of Object.entries(expected.turns)) {
      const joint = rig.joints.findIndex((candidate) => candidate.name === name);
      pose.setTurn(joint, quaternionOfRotationVector(turn));
    }
    pose.update();
    const view = viewTransform(body.camera, body.image, body.image);
    const places = projectPoints(body.anchors, pose, view);
    const farthest = (found: ArrayLike<number>, wanted: number[][]): number =>
      Math.max(...wanted.flat().map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));
    expect(farthest(places, expected.projections)).toBeLessThan(1e-5);
    expect(farthest(projectPoints(body.landmarks, pose, view), expected.landmarks)).toBeLessThan(
      1e-5,
    );
    const homography = solveHomography(places, body.targets) ?? [];
    expect(farthest(homography, expected.homography)).toBeLessThan(1e-4);
    const displacement = new Displacement(body);
    displacement.update(places, Float64Array.from(homography));
    expect(farthest(displacement.shares, [expected.shares])).toBeLessThan(2e-4);
    expect(Math.max(...expected.shares.map(Math.abs))).toBeGreaterThan(0.05);
    const texels = expected.pixels.flatMap((pixel) => {
      const [x, y] = pixel.map((value) => (value + 0.5) / body.image) as [number, number];
      const place = displaced(body, homography, displacement.shares, x, y);
      return place ? bakedTexel(body, ...place) : [];
    });
    expect(farthest(texels, expected.fast)).toBeLessThan(2e-3);
  });

  it('is found exactly where there is one, and not where points lie on a line', () => {
    const matrix = [1.1, 0.05, -0.1, -0.02, 0.9, 0.2, 0.1, -0.05, 1];
    const points = [0, 0, 1, 0, 0, 1, 1, 1, 0.3, 0.7];
    const targets: number[] = [];
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i] as number, points[i + 1] as number];
      const row = (at: number): number =>
        (matrix[at] as number) * x + (matrix[at + 1] as number) * y + (matrix[at + 2] as number);
      targets.push(row(0) / row(6), row(3) / row(6));
    }
    const found = solveHomography(points, targets);
    matrix.forEach((value, i) => {
      expect(found?.[i]).toBeCloseTo(value, 9);
    });
    expect(solveHomography([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 2, 3, 3])).toBeNull();
    expect(solveHomography([0, 0, 1, 0, 0, 1], [0, 0, 1, 0, 0, 1])).toBeNull();
  });
});
