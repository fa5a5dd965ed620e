import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { countGpuCalls } from '../testing/gpu-calls.ts';
import type { BodyMethod, RasterMethod } from '../types.ts';
import { uploadBody } from './body-layer.ts';
import { viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { Pose } from './pose.ts';
import { type SceneObject, SplatRenderer } from './renderer.ts';

const archive = new URL('../../e2e/fixtures/avatars/made-up.zip', import.meta.url);
/** Twelve tiles: one pass sorts them. In a picture of 1024² there are three, two dispatches each. */
const [width, height] = [48, 40];
const format = 'rgba8unorm';

/** What a frame's CPU time grows with: each call is written down and sent to the browser's GPU process. */
describe('calls of a frame, as on hardware', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
    Object.assign(gpu.capabilities, { software: false });
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** By kind: setPipeline, setBindGroup, dispatchWorkgroups, and all others. */
  async function callsOf(
    avatars: number,
    method: RasterMethod,
    way: BodyMethod | null,
  ): Promise<{ calls: number[]; pipelines: number }> {
    const file = new Uint8Array(await (await fetch(archive)).arrayBuffer());
    const { cloud, rig, body } = await readSplatFile(file, () => Promise.reject(new Error()));
    if (!rig || !body) throw new Error('the archive has a rig and a body');
    const objects: SceneObject[] = [];
    for (let i = 0; i < avatars; i += 1) {
      const pose = new Pose(rig);
      pose.update();
      const geometry = await SplatGeometry.upload(gpu, cloud, rig);
      objects.push({ geometry, pose, body: way && (await uploadBody(gpu, body, way)) });
    }
    const before = gpu.stats().pipelines;
    const renderer = await SplatRenderer.create(gpu, objects, { width, height, method, format });
    const pipelines = gpu.stats().pipelines - before;
    const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_DST;
    const texture = gpu.device.createTexture({ size: [width, height], format, usage });
    const draw = (): void =>
      renderer.drawTo(texture, viewTransform(body.camera, width, height), [0, 0, 0, 1]);
    draw();
    await renderer.counted();
    const counts = countGpuCalls(draw);
    await renderer.counted();
    texture.destroy();
    renderer.dispose();
    for (const object of objects) {
      object.geometry.dispose();
      object.body?.dispose();
    }
    const kinds = ['setPipeline', 'setBindGroup', 'dispatchWorkgroups'].map(
      (name) => counts.get(name) ?? 0,
    );
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    return { calls: [...kinds, all - kinds.reduce((sum, count) => sum + count)], pipelines };
  }

  it.each([
    ['tiles', null, [15, 15, 15, 9]],
    ['tiles', 'texture', [16, 16, 15, 13]],
    ['tiles', 'networks', [17, 17, 16, 13]],
    ['quads', null, [10, 10, 9, 11]],
    ['quads', 'texture', [11, 11, 9, 12]],
  ] as const)('an avatar by %s, body %s', async (method, way, expected) => {
    expect((await callsOf(1, method, way)).calls).toEqual(expected);
  });

  it('another avatar of a scene costs two, and no pipeline', async () => {
    const one = await callsOf(1, 'quads', null);
    const [pipelines, bindGroups, dispatches, others] = one.calls as [
      number,
      number,
      number,
      number,
    ];
    const { calls, pipelines: made } = await callsOf(4, 'quads', null);
    expect(calls).toEqual([pipelines, bindGroups + 3, dispatches + 3, others]);
    // Those of a sort with room for more splats, none of a projection.
    expect(made).toBe(8);
  });
});
