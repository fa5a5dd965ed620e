import type { Gpu } from '../gpu/gpu.ts';
import type { FrameTiming, RasterMethod } from '../types.ts';
import type { ViewTransform } from './camera.ts';
import { type SceneObject, SplatRenderer } from './renderer.ts';
import { StageClock } from './stage-clock.ts';

const methods: readonly RasterMethod[] = ['quads', 'tiles'];
const probeFrames = 4;

/** The picture that decides for pictures of a size: a square of about as many pixels, its side a power of two. */
export function probeSide(
  { width, height }: { width: number; height: number },
  software: boolean,
): number {
  // Software adapters take seconds for large ones.
  return Math.min(software ? 128 : 1024, 2 ** Math.round(Math.log2(width * height) / 2));
}

/** Which way of drawing is faster here: both draw a few frames, and the clock decides. */
export async function fasterMethod(
  gpu: Gpu,
  objects: readonly SceneObject[],
  view: ViewTransform,
): Promise<RasterMethod> {
  let best: { method: RasterMethod; ms: number } | null = null;
  for (const method of methods) {
    const ms = await withTarget(gpu, objects, view, method, async (renderer, texture) => {
      const draw = (): void => renderer.drawTo(texture, view, [0, 0, 0, 1]);
      draw();
      await gpu.device.queue.onSubmittedWorkDone();
      const start = performance.now();
      for (let i = 0; i < probeFrames; i += 1) draw();
      await gpu.device.queue.onSubmittedWorkDone();
      return performance.now() - start;
    });
    if (!best || ms < best.ms) best = { method, ms };
  }
  return best?.method ?? 'quads';
}

/**
 * GPU milliseconds of each stage and of the whole frame, medians over `frames` frames. Where the GPU cannot tell the time, `frame` is
 * wall-clock time, many frames at once. `encode` is CPU time of frames that follow twice as many others: by then the browser has compiled
 * what it interpreted. Tiles get the room that the first picture needs; `dropped` is what there is no room for.
 */
export async function measureFrame(
  gpu: Gpu,
  objects: readonly SceneObject[],
  viewAt: (frame: number) => ViewTransform,
  method: RasterMethod,
  frames: number,
  update: () => void,
): Promise<Omit<FrameTiming, 'splats'>> {
  const first = viewAt(0);
  const remedy = await withTarget(gpu, objects, first, method, async (renderer, texture) => {
    update();
    renderer.drawTo(texture, first, [0, 0, 0, 1]);
    await renderer.counted();
    return renderer.remedy;
  });
  return withTarget(
    gpu,
    objects,
    first,
    method,
    async (renderer, texture) => {
      const clock = StageClock.create(gpu, renderer.stageNames);
      const samples: Record<string, number>[] = [];
      for (let i = 0; i < frames + 3 && clock; i += 1) {
        update();
        renderer.drawTo(texture, viewAt(i), [0, 0, 0, 1], undefined, clock);
        const sample = await clock.read();
        if (i >= 3) samples.push(sample);
      }
      clock?.dispose();
      const draw = async (): Promise<{ encode: number; queued: number }> => {
        const start = performance.now();
        for (let i = 0; i < frames; i += 1) {
          update();
          renderer.drawTo(texture, viewAt(i), [0, 0, 0, 1]);
        }
        const encoded = performance.now();
        await gpu.device.queue.onSubmittedWorkDone();
        return { encode: (encoded - start) / frames, queued: (performance.now() - start) / frames };
      };
      await draw();
      const ms = { ...mediansOf(samples), ...(await draw()) };
      await renderer.counted();
      return { method: renderer.options.method, ms, dropped: renderer.dropped };
    },
    remedy?.pairs,
  );
}

function mediansOf(samples: readonly Record<string, number>[]): Record<string, number> {
  const names = Object.keys(samples[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const sorted = samples.map((sample) => sample[name] ?? 0).sort((a, b) => a - b);
      return [name, sorted[sorted.length >> 1] ?? 0];
    }),
  );
}

async function withTarget<Result>(
  gpu: Gpu,
  objects: readonly SceneObject[],
  view: ViewTransform,
  method: RasterMethod,
  use: (renderer: SplatRenderer, texture: GPUTexture) => Promise<Result>,
  pairs?: number,
): Promise<Result> {
  const { width, height } = view;
  const format = 'rgba8unorm';
  const options = { width, height, method, format, pairs } as const;
  const renderer = await SplatRenderer.create(gpu, objects, options);
  const texture = gpu.device.createTexture({
    label: 'splats measured',
    size: [width, height],
    format,
    usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_DST,
  });
  try {
    return await use(renderer, texture);
  } finally {
    texture.destroy();
    renderer.dispose();
  }
}
