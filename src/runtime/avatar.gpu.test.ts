import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { plyOf, randomCloud } from '../testing/splats.ts';
import type { Camera } from '../types.ts';
import { EngineAvatar } from './avatar.ts';
import { EngineScene } from './avatar-scene.ts';

const camera: Camera = { position: [0, 0, 4], target: [0, 0, 0], fovY: 40 };
const file = plyOf(randomCloud(200, 1, 77), 'binary_little_endian');

describe('an avatar in the engine', () => {
  let gpu: Gpu;
  beforeEach(async () => {
    gpu = await Gpu.create();
  });
  afterEach(() => gpu.dispose());

  const alone = (avatar: EngineAvatar): EngineScene =>
    new EngineScene([{ avatar: 1 }], () => avatar);

  it('is the same on a new device after the loss of the first', async () => {
    const avatar = await EngineAvatar.open(gpu, file, {});
    const options = { width: 48, height: 40, camera, method: 'tiles' } as const;
    const before = await alone(avatar).render(options);
    gpu.device.destroy();
    await gpu.lost;
    const lost = await alone(avatar)
      .render(options)
      .catch((error) => error);
    expect(lost).toMatchObject({ code: 'gpu-device-lost' });
    const next = await Gpu.create();
    await avatar.restore(next);
    const after = await alone(avatar).render(options);
    expect(after.data).toEqual(before.data);
    expect(Math.max(...after.data)).toBeGreaterThan(100);
    avatar.dispose();
    expect(next.stats().gpuBytes).toBe(0);
    next.dispose();
  });

  it('draws its body in the way that was asked for, on a new device too', async () => {
    const archive = new URL('../../e2e/fixtures/avatars/made-up.zip', import.meta.url);
    const bytes = new Uint8Array(await (await fetch(archive)).arrayBuffer());
    const front: Camera = { position: [0, 0.1, 1.62], target: [0, 0.1, 0], fovY: 20 };
    const options = { width: 64, height: 64, camera: front, method: 'tiles' } as const;
    const pictures: Uint8ClampedArray[] = [];
    for (const body of ['texture', 'networks'] as const) {
      const avatar = await EngineAvatar.open(gpu, bytes, { body });
      expect(avatar.info.body).toBe(body);
      pictures.push((await alone(avatar).render(options)).data);
      const { ms } = await alone(avatar).measure({ ...options, frames: 2 });
      expect('body' in ms).toBe(body === 'networks' && 'project' in ms);
      if (body === 'texture') {
        avatar.dispose();
        expect(gpu.stats().gpuBytes).toBe(0);
        continue;
      }
      const next = await Gpu.create();
      await avatar.restore(next);
      expect((await alone(avatar).render(options)).data).toEqual(pictures[1]);
      avatar.dispose();
      expect(next.stats().gpuBytes).toBe(0);
      next.dispose();
    }
    const [baked, networks] = pictures as [Uint8ClampedArray, Uint8ClampedArray];
    expect(networks).not.toEqual(baked);
    const splats = await EngineAvatar.open(gpu, file, { body: 'networks' });
    expect(splats.info.body).toBeNull();
    splats.dispose();
    const wrong = EngineAvatar.open(gpu, bytes, { body: 'mlp' as 'networks' });
    await expect(wrong).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('frames itself, and refuses sizes that no picture has', async () => {
    const avatar = await EngineAvatar.open(gpu, file, {});
    const picture = await alone(avatar).render({ width: 32, height: 32, background: [1, 0, 0] });
    expect([...picture.data.subarray(0, 4)]).toEqual([255, 0, 0, 255]);
    for (const width of [0, -1, 1.5, 1e6, Number.NaN]) {
      await expect(alone(avatar).render({ width, height: 10 })).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    avatar.dispose();
    expect(gpu.stats().gpuBytes).toBe(0);
  });
});
