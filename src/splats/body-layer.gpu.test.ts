import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { addBodyReference, bakedAt } from '../kernels/body-under.ref.ts';
import type { Camera, RasterMethod } from '../types.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import { BodyTexture } from './body-texture.ts';
import { viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { renderPicture } from './picture.ts';
import { Pose } from './pose.ts';
import { overBackground, psnr, renderReference } from './render.ref.ts';
import { quaternionOfRotationVector } from './vector.ts';

const methods: RasterMethod[] = ['quads', 'tiles'];
const archive = new URL('../../e2e/fixtures/avatars/made-up.zip', import.meta.url);

describe('the body beneath the splats', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => gpu.dispose());

  it.each(methods)('equals the reference to 45 dB with %s', async (method) => {
    const file = new Uint8Array(await (await fetch(archive)).arrayBuffer());
    const { cloud, rig, body } = await readSplatFile(file, () => Promise.reject(new Error()));
    if (!rig || !body) throw new Error('the fixture has a rig and a body');
    const pose = new Pose(rig);
    const chest = rig.joints.findIndex(({ name }) => name === 'chest');
    pose.setTurn(chest, quaternionOfRotationVector([0.05, -0.1, 0.02]));
    pose.update();
    const position = [0.3, 0.1, 1.62] as const;
    const camera: Camera = { ...body.camera, position };
    // Wider than the pictures of training, and another aspect.
    const view = viewTransform({ ...camera, fovY: 26 }, 192, 160);
    const geometry = await SplatGeometry.upload(gpu, cloud, rig);
    const texture = await BodyTexture.upload(gpu, body);
    const objects = [{ geometry, pose, body: texture }];
    const { data } = await renderPicture(gpu, objects, view, [0.5, 0.4, 0.3, 1], method);
    const expected = renderReference([{ cloud, pose }], view);
    const alone = overBackground(expected, [0.5, 0.4, 0.3]);
    const h = solveHomography(projectPoints(body.anchors, pose, view), body.targets);
    if (!h) throw new Error('no homography');
    addBodyReference(expected, (x, y) => bakedAt(body, h, x, y), view);
    const ratio = psnr(data, overBackground(expected, [0.5, 0.4, 0.3]));
    console.info(`body beneath ${method}: ${ratio.toFixed(1)} dB`);
    expect(psnr(data, alone)).toBeLessThan(30);
    expect(ratio).toBeGreaterThanOrEqual(45);

    // From the side it is the splats alone.
    const side = viewTransform({ ...camera, position: [1.6, 0.1, 0.2] }, 96, 96);
    const aside = await renderPicture(gpu, objects, side, [0.5, 0.4, 0.3, 1], method);
    const splats = overBackground(renderReference([{ cloud, pose }], side), [0.5, 0.4, 0.3]);
    expect(psnr(aside.data, splats)).toBeGreaterThanOrEqual(45);
    texture.dispose();
    geometry.dispose();
    expect(gpu.stats().gpuBytes).toBe(0);
  });
});
