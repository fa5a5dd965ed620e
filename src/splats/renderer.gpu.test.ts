import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSplatFile, type SplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { fetchData, hasData } from '../testing/data.ts';
import { randomCloud } from '../testing/splats.ts';
import type { Camera, RasterMethod } from '../types.ts';
import { framingCamera, type ViewTransform, viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { renderPicture } from './picture.ts';
import { Pose } from './pose.ts';
import { overBackground, psnr, type ReferenceObject, renderReference } from './render.ref.ts';
import { type SceneObject, SplatRenderer } from './renderer.ts';
import { quaternionOfRotationVector, type Vec3 } from './vector.ts';

const methods: RasterMethod[] = ['quads', 'tiles'];
const noImages = (): Promise<never> => Promise.reject(new Error('no images'));

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.create();
});
afterAll(() => {
  expect(gpu.stats().gpuBytes).toBe(0);
  gpu.dispose();
});

/** PSNR of the GPU's picture against the double-precision reference, in dB. */
async function against(
  references: readonly ReferenceObject[],
  view: ViewTransform,
  method: RasterMethod,
  transforms: readonly Float64Array[] = [],
): Promise<number> {
  const geometries: SplatGeometry[] = [];
  for (const { cloud, pose } of references) {
    geometries.push(await SplatGeometry.upload(gpu, cloud, pose?.rig ?? null));
  }
  const objects: SceneObject[] = references.map(({ pose }, i) => {
    const geometry = geometries[i] as SplatGeometry;
    const transform = transforms[i];
    return { geometry, pose, ...(transform ? { transform } : {}) };
  });
  const { data } = await renderPicture(gpu, objects, view, [0.5, 0.5, 0.5, 1], method);
  for (const geometry of geometries) geometry.dispose();
  return psnr(data, overBackground(renderReference(references, view), [0.5, 0.5, 0.5]));
}

describe.each(methods)('%s', (method) => {
  it.each([0, 1, 2, 3] as const)('harmonics of degree %i', async (degree) => {
    const cloud = randomCloud(300, degree, 900 + degree);
    const view = viewTransform({ position: [1, 0.5, 4], target: [0, 0, 0], fovY: 30 }, 130, 90);
    expect(await against([{ cloud, pose: null }], view, method)).toBeGreaterThan(50);
  });

  it('sorts two objects as one', async () => {
    const clouds = [randomCloud(200, 0, 910), randomCloud(150, 1, 911)];
    const view = viewTransform({ position: [0, 0, 5], target: [0, 0, 0], fovY: 30 }, 100, 100);
    const references = clouds.map((cloud) => ({ cloud, pose: null }));
    const { splats, shDegree } = { splats: 350, shDegree: 1 };
    expect(clouds.reduce((sum, { count }) => sum + count, 0)).toBe(splats);
    expect(clouds[1]?.shDegree).toBe(shDegree);
    expect(await against(references, view, method)).toBeGreaterThan(45);
  });

  it('leaves out splats at places that are no numbers, and sorts the others', async () => {
    const cloud = randomCloud(300, 0, 914);
    const view = viewTransform({ position: [0, 0, 5], target: [0, 0, 0], fovY: 30 }, 64, 64);
    const broken = { ...cloud, positions: cloud.positions.slice() };
    const wrong = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < 60; i += 1) broken.positions[i * 5] = wrong[i % 3] as number;
    const kept = [...Array(300).keys()].filter((i) =>
      broken.positions.subarray(i * 3, i * 3 + 3).every(Number.isFinite),
    );
    const sound = randomCloud(kept.length, 0, 915);
    kept.forEach((from, to) => {
      for (const key of ['positions', 'scales', 'rotations', 'opacities', 'colors'] as const) {
        const width = broken[key].length / 300;
        sound[key].set(broken[key].subarray(from * width, (from + 1) * width), to * width);
      }
    });
    const geometry = await SplatGeometry.upload(gpu, broken, null);
    const objects = [{ geometry, pose: null }];
    const { data } = await renderPicture(gpu, objects, view, [0.5, 0.5, 0.5, 1], method);
    geometry.dispose();
    const expected = renderReference([{ cloud: sound, pose: null }], view);
    expect(psnr(data, overBackground(expected, [0.5, 0.5, 0.5]))).toBeGreaterThan(45);
  });

  it('allocates nothing for a frame of two objects that move', async () => {
    const size = [96, 64];
    const [width, height] = size as [number, number];
    const format = 'rgba8unorm';
    const geometries = [
      await SplatGeometry.upload(gpu, randomCloud(200, 1, 916), null),
      await SplatGeometry.upload(gpu, randomCloud(90, 0, 917), null),
    ];
    const transform = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);
    const objects = geometries.map((geometry) => ({ geometry, pose: null, transform }));
    const renderer = await SplatRenderer.create(gpu, objects, { width, height, method, format });
    const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_DST;
    const texture = gpu.device.createTexture({ size, format, usage });
    const view = viewTransform({ position: [0, 0, 5], target: [0, 0, 0], fovY: 30 }, width, height);
    const draw = async (): Promise<void> => {
      transform[3] = (transform[3] as number) + 0.1;
      renderer.drawTo(texture, view, [0, 0, 0, 1]);
      await renderer.counted();
    };
    await draw();
    const { calls: before, gpuBytes } = gpu.stats();
    for (let i = 0; i < 10; i += 1) await draw();
    const { calls: after, gpuBytes: bytesAfter } = gpu.stats();
    expect(after.submits - before.submits).toBe(10);
    expect(after.writeBuffers - before.writeBuffers).toBe(10);
    expect([after.buffers, after.bindGroups, bytesAfter]).toEqual([
      before.buffers,
      before.bindGroups,
      gpuBytes,
    ]);
    texture.destroy();
    renderer.dispose();
    for (const geometry of geometries) geometry.dispose();
  });

  it('leaves what no splat covers transparent', async () => {
    const cloud = randomCloud(20, 0, 912);
    const geometry = await SplatGeometry.upload(gpu, cloud, null);
    const view = viewTransform({ position: [0, 0, 9], target: [0, 0, 0], fovY: 30 }, 64, 48);
    const { data } = await renderPicture(gpu, [{ geometry, pose: null }], view, null, method);
    geometry.dispose();
    expect(data[3]).toBe(0);
    expect(Math.max(...data.filter((_, i) => i % 4 === 3))).toBeGreaterThan(100);
  });

  it('draws nothing where nothing is in view', async () => {
    const cloud = randomCloud(20, 0, 913);
    const view = viewTransform({ position: [0, 0, 9], target: [0, 0, 18], fovY: 30 }, 32, 32);
    expect(await against([{ cloud, pose: null }], view, method)).toBe(Number.POSITIVE_INFINITY);
  });
});

interface Reference {
  camera: Camera;
  size: number;
  background: Vec3;
  poses: Record<string, Record<string, number>>;
}

interface Track {
  names: string[];
  frames: { weights: number[] }[];
  head_pose: Vec3[];
}

async function json<Type>(path: string): Promise<Type> {
  return JSON.parse(new TextDecoder().decode(await fetchData(path))) as Type;
}

async function loaded(path: string): Promise<SplatFile> {
  return readSplatFile(await fetchData(path), noImages);
}

describe.skipIf(!hasData())('an avatar', () => {
  it.each(methods)(
    'equals the exact renders to 45 dB with %s',
    async (method) => {
      const { camera, size, background, poses } = await json<Reference>(
        'avatars/status-reference.json',
      );
      const { cloud, rig } = await loaded('avatars/status.zip');
      if (!rig) throw new Error('no rig');
      const geometry = await SplatGeometry.upload(gpu, cloud, rig);
      for (const [name, weights] of Object.entries(poses)) {
        const pose = new Pose(rig);
        for (const [expression, weight] of Object.entries(weights)) {
          pose.weights[rig.expressions.indexOf(expression)] = weight;
        }
        pose.update();
        const view = viewTransform(camera, size, size);
        const { data } = await renderPicture(
          gpu,
          [{ geometry, pose }],
          view,
          [...background, 1],
          method,
        );
        const ratio = psnr(data, await pixelsOf(`avatars/status-reference-${name}.png`));
        console.info(`${method} ${name}: ${ratio.toFixed(1)} dB`);
        expect(ratio).toBeGreaterThanOrEqual(45);
      }
      geometry.dispose();
    },
    60_000,
  );

  it('equals the reference on 20 frames of an expression track with head pose', async () => {
    const { camera } = await json<Reference>('avatars/status-reference.json');
    const track = await json<Track>('avatars/expression-track.json');
    const { cloud, rig } = await loaded('avatars/status.zip');
    if (!rig) throw new Error('no rig');
    const head = rig.joints.findIndex(({ name }) => name === 'head');
    for (let i = 0; i < 20; i += 1) {
      const frame = i * 51;
      const pose = new Pose(rig);
      track.names.forEach((name, k) => {
        const at = rig.expressions.indexOf(name);
        if (at >= 0) pose.weights[at] = track.frames[frame]?.weights[k] as number;
      });
      pose.setTurn(head, quaternionOfRotationVector(track.head_pose[frame] as Vec3));
      pose.update();
      const view = viewTransform(camera, 128, 128);
      const ratio = await against([{ cloud, pose }], view, methods[i % 2] as RasterMethod);
      expect(ratio, `frame ${frame}`).toBeGreaterThanOrEqual(45);
    }
  }, 60_000);

  it('moves all live joints with a clip, covariances too', async () => {
    const { cloud, rig } = await loaded('avatars/p2-1.zip');
    const clip = rig?.clips.find(({ name }) => name === 'yumi_h5_a3_hello');
    if (!rig || !clip) throw new Error('no clip');
    const { camera } = await json<Reference>('avatars/status-reference.json');
    const pose = new Pose(rig);
    pose.applyClip(clip, 0.9);
    pose.update();
    const view = viewTransform(camera, 192, 192);
    expect(await against([{ cloud, pose }], view, 'tiles')).toBeGreaterThanOrEqual(45);
  }, 60_000);

  it('shows one scene alike from SPZ 4 and from compressed PLY', async () => {
    const pictures: Uint8ClampedArray[] = [];
    for (const name of ['biker.spz', 'biker.compressed.ply']) {
      const { cloud } = await loaded(`splats/${name}`);
      const geometry = await SplatGeometry.upload(gpu, cloud, null);
      const view = viewTransform(framingCamera(geometry.framed, true, 1), 192, 192);
      const objects = [{ geometry, pose: null }];
      pictures.push((await renderPicture(gpu, objects, view, [0, 0, 0, 1], 'tiles')).data);
      geometry.dispose();
    }
    const [spz, ply] = pictures as [Uint8ClampedArray, Uint8ClampedArray];
    const ratio = psnr(spz, ply);
    console.info(`biker, two formats: ${ratio.toFixed(1)} dB`);
    expect(ratio).toBeGreaterThanOrEqual(35);
    expect(Math.max(...spz.filter((_, i) => i % 4 < 3))).toBeGreaterThan(100);
  }, 60_000);
});

async function pixelsOf(path: string): Promise<Uint8ClampedArray> {
  const bitmap = await createImageBitmap(new Blob([await fetchData(path)]));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no 2D context');
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}
