import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AvatarBody } from '../formats/avatar-body.ts';
import { readSplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { networksAt } from '../kernels/body-networks.ref.ts';
import { addBodyReference, bakedAt, type Rgba } from '../kernels/body-under.ref.ts';
import type { BodyMethod, Camera, RasterMethod } from '../types.ts';
import { BodyCondition } from './body-condition.ts';
import { Displacement } from './body-displacement.ts';
import { type Homography, projectPoints, solveHomography } from './body-homography.ts';
import { uploadBody } from './body-layer.ts';
import { bodyReach } from './body-pack.ts';
import { type ViewTransform, viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { type Picture, renderPicture } from './picture.ts';
import { Pose } from './pose.ts';
import { overBackground, psnr, renderReference } from './render.ref.ts';
import { SplatRenderer } from './renderer.ts';
import { quaternionOfRotationVector } from './vector.ts';

const madeUp = new URL('../../e2e/fixtures/avatars/made-up.zip', import.meta.url);
const person = new URL('../../models/vitrail-person.zip', import.meta.url);
const background = [0.5, 0.4, 0.3, 1] as const;

async function read(archive: URL) {
  const file = new Uint8Array(await (await fetch(archive)).arrayBuffer());
  const { cloud, rig, body } = await readSplatFile(file, () => Promise.reject(new Error()));
  if (!rig || !body) throw new Error('the archive has a rig and a body');
  const pose = new Pose(rig);
  const chest = rig.joints.findIndex(({ name }) => name === 'chest');
  pose.setTurn(chest, quaternionOfRotationVector([0.05, -0.1, 0.02]));
  pose.update();
  return { cloud, rig, body, pose };
}
type Read = Awaited<ReturnType<typeof read>>;

function homographyOf(from: ArrayLike<number>, to: ArrayLike<number>): Homography {
  const found = solveHomography(from, to);
  if (!found) throw new Error('no homography');
  return found;
}

/** Straight alpha of the body at picture coordinates, in double precision. */
function bodyColors(
  body: AvatarBody,
  pose: Pose,
  view: ViewTransform,
  method: BodyMethod,
): (x: number, y: number) => Rgba {
  const places = projectPoints(body.anchors, pose, view);
  const texture = homographyOf(places, body.targets);
  if (method === 'texture') {
    const displacement = new Displacement(body);
    displacement.update(places, texture);
    return (x, y) => bakedAt(body, texture, displacement.shares, x, y);
  }
  const front = viewTransform(body.camera, body.image, body.image);
  const training =
    body.networksSee === 'homography'
      ? texture
      : homographyOf(places, projectPoints(body.anchors, pose, front));
  const condition = new BodyCondition(body, pose).update(pose);
  const frame = { training, texture, reach: bodyReach(body), condition };
  return (x, y) => networksAt(body, frame, x, y);
}

describe('the body beneath the splats', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  async function drawn(
    { cloud, rig, body, pose }: Read,
    view: ViewTransform,
    method: RasterMethod,
    way: BodyMethod,
  ): Promise<Picture> {
    const geometry = await SplatGeometry.upload(gpu, cloud, rig);
    const uploaded = await uploadBody(gpu, body, way);
    const picture = await renderPicture(
      gpu,
      [{ geometry, pose, body: uploaded }],
      view,
      background,
      method,
    );
    uploaded.dispose();
    geometry.dispose();
    return picture;
  }

  const ways: [RasterMethod, BodyMethod, Partial<AvatarBody>?][] = [
    ['quads', 'texture'],
    ['tiles', 'texture'],
    ['tiles', 'texture', { fields: null }],
    ['quads', 'networks'],
    ['tiles', 'networks'],
    ['tiles', 'networks', { networksSee: 'picture' }],
  ];
  it.each(ways)('equals the reference to 45 dB with %s and %s %o', async (method, way, other) => {
    const found = await read(madeUp);
    const avatar = { ...found, body: { ...found.body, ...other } };
    const { cloud, body, pose } = avatar;
    const position = [0.3, 0.1, 1.62] as const;
    const camera: Camera = { ...body.camera, position };
    // Wider than the pictures of training, and another aspect.
    const view = viewTransform({ ...camera, fovY: 26 }, 192, 160);
    const { data } = await drawn(avatar, view, method, way);
    const expected = renderReference([{ cloud, pose }], view);
    const alone = overBackground(expected, [0.5, 0.4, 0.3]);
    addBodyReference(expected, bodyColors(body, pose, view, way), view);
    const ratio = psnr(data, overBackground(expected, [0.5, 0.4, 0.3]));
    console.info(`body beneath ${method}, ${way}: ${ratio.toFixed(1)} dB`);
    expect(psnr(data, alone)).toBeLessThan(30);
    expect(ratio).toBeGreaterThanOrEqual(45);

    // From the side it is the splats alone.
    const side = viewTransform({ ...camera, position: [1.6, 0.1, 0.2] }, 96, 96);
    const aside = await drawn(avatar, side, method, way);
    const splats = overBackground(renderReference([{ cloud, pose }], side), [0.5, 0.4, 0.3]);
    expect(psnr(aside.data, splats)).toBeGreaterThanOrEqual(45);
  });

  it('equals the reference to 45 dB through the networks of the person that comes along', async () => {
    const avatar = await read(person);
    const { cloud, body, pose } = avatar;
    const head = cloud.count - body.splats;
    const [x, y, z] = body.camera.position;
    const view = viewTransform({ ...body.camera, position: [x + 0.2, y + 0.05, z] }, 44, 44);
    const { data } = await drawn(avatar, view, 'tiles', 'networks');
    const shown = { cloud: { ...cloud, count: head }, pose };
    const expected = renderReference([shown], view);
    const alone = overBackground(expected, [0.5, 0.4, 0.3]);
    const coarse = Float64Array.from(expected);
    addBodyReference(expected, bodyColors(body, pose, view, 'networks'), view);
    const plain = bodyColors({ ...body, fields: null }, pose, view, 'texture');
    addBodyReference(coarse, plain, view);
    const ratio = psnr(data, overBackground(expected, [0.5, 0.4, 0.3]));
    const other = psnr(data, overBackground(coarse, [0.5, 0.4, 0.3]));
    console.info(
      `the person's networks: ${ratio.toFixed(1)} dB; coarse colour through the homography alone ${other.toFixed(1)} dB`,
    );
    expect(ratio).toBeGreaterThanOrEqual(45);
    expect(psnr(data, alone)).toBeLessThan(20);
    expect(other).toBeLessThan(40);
  });

  it.each([['texture'], ['networks']] as const)(
    'allocates nothing for a frame of the %s, and writes once',
    async (way) => {
      const { cloud, rig, body, pose } = await read(madeUp);
      const geometry = await SplatGeometry.upload(gpu, cloud, rig);
      const uploaded = await uploadBody(gpu, body, way);
      const [width, height, format] = [48, 40, 'rgba8unorm'] as const;
      const view = viewTransform(body.camera, width, height);
      const renderer = await SplatRenderer.create(gpu, [{ geometry, pose, body: uploaded }], {
        width,
        height,
        method: 'tiles',
        format,
      });
      const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_DST;
      const texture = gpu.device.createTexture({ size: [width, height], format, usage });
      renderer.drawTo(texture, view, background);
      const before = gpu.stats();
      renderer.drawTo(texture, view, background);
      const { calls, buffers, pipelines } = gpu.stats();
      expect({ buffers, pipelines }).toEqual({
        buffers: before.buffers,
        pipelines: before.pipelines,
      });
      expect(calls.bindGroups).toBe(before.calls.bindGroups);
      expect(renderer.stageNames.includes('body')).toBe(way === 'networks');
      expect(calls.writeBuffers - before.calls.writeBuffers).toBe(1);
      expect(calls.submits - before.calls.submits).toBe(1);
      texture.destroy();
      renderer.dispose();
      uploaded.dispose();
      geometry.dispose();
    },
  );
});
