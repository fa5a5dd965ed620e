import { afterEach, describe, expect, it, vi } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { SplatCloud } from '../formats/splat-cloud.ts';
import { Gpu, type GpuOptions } from '../gpu/gpu.ts';
import { randomCloud } from '../testing/splats.ts';
import { type ViewTransform, viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { measureFrame } from './measure.ts';
import { renderPicture } from './picture.ts';
import { overBackground, psnr, renderReference } from './render.ref.ts';
import { type Remedy, SplatRenderer } from './renderer.ts';

/** Faint splats as large as the picture: each is in all of its tiles. The farthest are white, the others black. */
const faint = randomCloud(300, 0, 930);
faint.scales.fill(3);
faint.opacities.fill(0.006);
const farthest = -0.7;
faint.colors.forEach((_, i) => {
  const z = faint.positions[i - (i % 3) + 2] as number;
  faint.colors[i] = z < farthest ? 1 : 0;
});
/** More of them that are not faint: fast, and their buffers are larger than those of the picture. */
const dense = randomCloud(1200, 0, 931);
dense.scales.fill(3);
dense.opacities.fill(0.5);

const viewOf = (side: number): ViewTransform =>
  viewTransform({ position: [0, 0, 6], target: [0, 0, 0], fovY: 30 }, side, side);
const pairsOf = ({ count }: SplatCloud, { width }: ViewTransform): number =>
  count * (width / 16) ** 2;
const black = [0, 0, 0, 1] as const;
/** The room that pictures of few splats have at first. */
const usual = 2 ** 18;

describe('tiles without room', () => {
  let gpu: Gpu;
  let objects: { geometry: SplatGeometry; pose: null }[];
  const begin = async (cloud: SplatCloud, options: GpuOptions = {}): Promise<void> => {
    gpu = await Gpu.create(options);
    objects = [{ geometry: await SplatGeometry.upload(gpu, cloud, null), pose: null }];
  };
  afterEach(() => {
    vi.restoreAllMocks();
    for (const { geometry } of objects) geometry.dispose();
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** A renderer after its first frame. */
  async function drawn(view: ViewTransform, remedy: Remedy = {}): Promise<SplatRenderer> {
    const { width, height } = view;
    const format = 'rgba8unorm';
    const options = { width, height, method: 'tiles', format, ...remedy } as const;
    const renderer = await SplatRenderer.create(gpu, objects, options);
    const usage = GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
    const texture = gpu.device.createTexture({ size: [width, height], format, usage });
    renderer.drawTo(texture, view, black);
    await renderer.counted();
    texture.destroy();
    return renderer;
  }

  it('tell how many pairs were dropped, and what draws the picture whole', async () => {
    await begin(dense);
    const view = viewOf(256);
    const needed = pairsOf(dense, view);
    const renderer = await drawn(view);
    const { dropped, remedy } = renderer;
    renderer.dispose();
    expect(dropped).toBe(needed - usual);
    expect(remedy).toEqual({ pairs: needed * 1.25 });
    const roomy = await drawn(view, remedy ?? {});
    expect([roomy.dropped, roomy.remedy]).toEqual([0, null]);
    roomy.dispose();
  });

  it('get it for a still, which equals the reference', async () => {
    await begin(faint);
    const view = viewOf(512);
    const { data } = await renderPicture(gpu, objects, view, black, 'tiles');
    const expected = renderReference([{ cloud: faint, pose: null }], view);
    expect(psnr(data, overBackground(expected, [0, 0, 0]))).toBeGreaterThanOrEqual(45);
  }, 60_000);

  it('get it for a measurement', async () => {
    await begin(dense);
    const once = await measureFrame(
      gpu,
      objects,
      () => viewOf(256),
      'tiles',
      1,
      () => {},
    );
    expect(once).toMatchObject({ method: 'tiles', dropped: 0 });
  });

  it('leave the picture to quads where the GPU has no larger buffers, and tell a measurement', async () => {
    await begin(dense, { maxBufferBytes: 2 ** 20 });
    const view = viewOf(256);
    const renderer = await drawn(view);
    expect(renderer.remedy).toEqual({ method: 'quads' });
    renderer.dispose();
    const picture = await renderPicture(gpu, objects, view, black, 'tiles');
    const quads = await renderPicture(gpu, objects, view, black, 'quads');
    expect(picture.data).toEqual(quads.data);
    const once = await measureFrame(
      gpu,
      objects,
      () => view,
      'tiles',
      1,
      () => {},
    );
    expect(once).toMatchObject({ method: 'tiles', dropped: pairsOf(dense, view) - usual });
  }, 60_000);

  it('leave the picture to quads where the GPU has no memory left', async () => {
    await begin(dense);
    const real = gpu.withMemoryCheck.bind(gpu);
    const full = new VitrailError('gpu-out-of-memory', 'full', { where: 'test', fix: '' });
    let calls = 0;
    // The sort by depth has its buffers, the tiles have not.
    vi.spyOn(gpu, 'withMemoryCheck').mockImplementation((allocate) => {
      calls += 1;
      return calls === 2 ? Promise.reject(full) : real(allocate);
    });
    const renderer = await drawn(viewOf(256), { pairs: 400_000 });
    expect(renderer.options.method).toBe('quads');
    renderer.dispose();
  });
});
