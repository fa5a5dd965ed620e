import { toVitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { viewTransform } from '../splats/camera.ts';
import { type SceneObject, SplatRenderer } from '../splats/renderer.ts';
import type { Camera, RasterMethod } from '../types.ts';
import type { ViewCommand, ViewEvent, ViewOptions } from './avatar-contract.ts';

/** What a view shows; asked at each frame. */
export interface ViewScene {
  objects(): SceneObject[];
  /** The camera where none is set, for an aspect (width / height). */
  camera(aspect: number): Camera;
  /** Does it change by itself? */
  moves(): boolean;
  /** Brings the pose to a time in seconds. */
  update(seconds: number): void;
}

export interface ViewParts {
  canvas: OffscreenCanvas;
  port: MessagePort;
  options: ViewOptions;
  method: RasterMethod;
  scene: ViewScene;
  onStop(): void;
}

const statsIntervalMs = 500;

/** Draws a scene to a canvas of the page from the worker, at each frame of the display while something changes. */
export class AvatarView {
  readonly #parts: ViewParts;
  #options: ViewOptions;
  #gpu: Gpu | null = null;
  #context: GPUCanvasContext | null = null;
  #renderer: SplatRenderer | null = null;
  #rebuilding = false;
  #changed = true;
  #stopped = false;
  #frames = 0;
  #countedSince: number = performance.now();

  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.#options = parts.options;
    parts.port.onmessage = ({ data }: MessageEvent<ViewCommand>) => this.#apply(data);
  }

  /** Begins, or begins anew on another device. */
  async start(gpu: Gpu): Promise<void> {
    const first = this.#gpu === null;
    this.#gpu = gpu;
    this.#renderer = null;
    await this.#rebuild();
    if (first) this.#schedule();
  }

  /** The next frame differs from the last. */
  invalidate(): void {
    this.#changed = true;
  }

  stop(): void {
    this.#stopped = true;
    this.#parts.port.close();
    this.#context?.unconfigure();
    if (this.#gpu && !this.#gpu.isLost) this.#renderer?.dispose();
    this.#renderer = null;
    this.#parts.onStop();
  }

  #apply({ stop, ...changes }: ViewCommand): void {
    if (stop) {
      if (!this.#stopped) this.stop();
      return;
    }
    const { width, height } = this.#options;
    this.#options = { ...this.#options, ...changes };
    this.#changed = true;
    if (this.#options.width !== width || this.#options.height !== height) void this.#rebuild();
  }

  /** Makes a renderer of the size that is wanted now; sizes that come meanwhile are seen to after. */
  async #rebuild(): Promise<void> {
    if (this.#rebuilding) return;
    this.#rebuilding = true;
    try {
      for (;;) {
        const gpu = this.#gpu as Gpu;
        const { width, height } = this.#options;
        const { canvas, method, scene } = this.#parts;
        const renderer = await SplatRenderer.create(gpu, scene.objects(), {
          width,
          height,
          method,
          format: canvasFormat,
        });
        const current = this.#options.width === width && this.#options.height === height;
        if (!current || gpu !== this.#gpu || this.#stopped) {
          if (!gpu.isLost) renderer.dispose();
          if (this.#stopped) return;
          continue;
        }
        if (!gpu.isLost) this.#renderer?.dispose();
        canvas.width = width;
        canvas.height = height;
        this.#configure(gpu);
        this.#renderer = renderer;
        this.#changed = true;
        return;
      }
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.#rebuilding = false;
    }
  }

  #configure(gpu: Gpu): void {
    this.#context ??= this.#parts.canvas.getContext('webgpu');
    this.#context?.configure({
      device: gpu.device,
      format: canvasFormat,
      usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_DST,
      alphaMode: 'premultiplied',
    });
  }

  #schedule(): void {
    if (this.#stopped) return;
    nextFrame(() => {
      if (this.#stopped) return;
      this.#frame();
      this.#schedule();
    });
  }

  #frame(): void {
    const { scene } = this.#parts;
    const renderer = this.#renderer;
    if (!renderer || !this.#context || this.#gpu?.isLost) return;
    if (!this.#changed && !scene.moves()) {
      this.#count(0);
      return;
    }
    this.#changed = false;
    try {
      scene.update(performance.now() / 1000);
      const { camera, background } = this.#options;
      const { width, height } = renderer.options;
      const view = viewTransform(camera ?? scene.camera(width / height), width, height);
      const behind = background ? ([...background, 1] as const) : transparent;
      renderer.drawTo(this.#context.getCurrentTexture(), view, behind);
      this.#count(1);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #count(frames: number): void {
    this.#frames += frames;
    const now = performance.now();
    const elapsedMs = now - this.#countedSince;
    if (elapsedMs < statsIntervalMs) return;
    const splats = this.#parts.scene
      .objects()
      .reduce((sum, { geometry }) => sum + geometry.count, 0);
    const framesPerSecond = (this.#frames / elapsedMs) * 1000;
    this.#tell({ stats: { framesPerSecond, splats, method: this.#parts.method } });
    this.#frames = 0;
    this.#countedSince = now;
  }

  #fail(thrown: unknown): void {
    // A lost device is replaced, and `start` comes again.
    if (this.#gpu?.isLost) return;
    const { code, message, where, fix } = toVitrailError(thrown, 'avatar/view');
    this.#tell({ error: { code, message, where, fix } });
    this.stop();
  }

  #tell(event: ViewEvent): void {
    if (!this.#stopped) this.#parts.port.postMessage(event);
  }
}

/** What both ways of drawing can write to. */
const canvasFormat: GPUTextureFormat = 'rgba8unorm';
const transparent = [0, 0, 0, 0] as const;

/** Not every browser has frames of the display in workers. */
function nextFrame(callback: () => void): void {
  if ('requestAnimationFrame' in globalThis) requestAnimationFrame(callback);
  else setTimeout(callback, 1000 / 60);
}
