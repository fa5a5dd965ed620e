import { toVitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type ViewTransform, viewTransform } from '../splats/camera.ts';
import { type Background, SplatRenderer } from '../splats/renderer.ts';
import type { RasterMethod } from '../types.ts';
import type { SceneMember, ViewCommand, ViewEvent, ViewOptions } from './avatar-contract.ts';
import type { AvatarStage } from './avatar-stage.ts';

export interface ViewParts {
  canvas: OffscreenCanvas;
  port: MessagePort;
  options: ViewOptions;
  /** What these members make now; left out: those of the beginning. */
  stage(members?: readonly SceneMember[]): AvatarStage;
}

/** What a renderer is made for. Another object for each change. */
interface Wanted {
  stage: AvatarStage;
  width: number;
  height: number;
  /** Undefined: the faster one. */
  method: RasterMethod | undefined;
  /** Room for pairs of splat and tile, where a picture needed more than there was. */
  pairs: number | undefined;
}

interface Shown {
  gpu: Gpu;
  wanted: Wanted;
  renderer: SplatRenderer;
}

const statsIntervalMs = 500;

/**
 * Draws a scene to a canvas of the page from the worker, at each frame of the display while something changes. What is wanted is
 * compared with what there is: avatars come and go, and their device may be replaced.
 */
export class AvatarView {
  readonly #parts: ViewParts;
  #options: ViewOptions;
  #members: readonly SceneMember[] | undefined;
  #wanted: Wanted;
  #shown: Shown | null = null;
  #context: GPUCanvasContext | null = null;
  #rebuilding = false;
  #changed = true;
  #view: View | null = null;
  #version = -1;
  #stopped = false;
  #frames = 0;
  #countedSince: number = performance.now();

  /** Throws `invalid-argument`. */
  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.#options = parts.options;
    const { width, height, method } = parts.options;
    this.#wanted = { stage: parts.stage(), width, height, method, pairs: undefined };
    parts.port.onmessage = ({ data }: MessageEvent<ViewCommand>) => this.#apply(data);
  }

  start(): void {
    void this.#rebuild();
    this.#schedule();
  }

  #stop(): void {
    this.#stopped = true;
    this.#parts.port.close();
    this.#context?.unconfigure();
    this.#show(null);
  }

  #apply({ stop, members, ...changes }: ViewCommand): void {
    if (this.#stopped) return;
    if (stop) {
      this.#stop();
      return;
    }
    this.#options = { ...this.#options, ...changes };
    this.#changed = true;
    const { width, height } = this.#options;
    if (this.#wanted.width !== width || this.#wanted.height !== height) {
      this.#want({ width, height });
    }
    if (!members) return;
    this.#members = members;
    try {
      this.#restage();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Others are drawn by another renderer; those that only moved, by the same. */
  #restage(): void {
    const stage = this.#parts.stage(this.#members);
    if (this.#wanted.stage.follow(stage)) this.#tellFraming();
    else this.#want({ stage });
  }

  #want(changes: Partial<Wanted>): void {
    this.#wanted = { ...this.#wanted, ...changes };
    void this.#rebuild();
  }

  /** Makes renderers until one is what is wanted. */
  async #rebuild(): Promise<void> {
    if (this.#rebuilding) return;
    this.#rebuilding = true;
    try {
      while (!this.#stopped && this.#shown?.wanted !== this.#wanted) {
        const wanted = this.#wanted;
        const { stage, width, height, pairs } = wanted;
        const gpu = stage.isEmpty ? this.#shown?.gpu : stage.gpu;
        // A frame later it may be there.
        if (!gpu || gpu.isLost) return;
        const method = wanted.method ?? (await stage.fasterMethod(wanted));
        const renderer = await SplatRenderer.create(gpu, stage.objects, {
          width,
          height,
          method,
          format: canvasFormat,
          pairs,
        });
        if (wanted === this.#wanted && !this.#stopped) this.#show({ gpu, wanted, renderer });
        else if (!gpu.isLost) renderer.dispose();
      }
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.#rebuilding = false;
    }
  }

  #show(next: Shown | null): void {
    if (this.#shown && !this.#shown.gpu.isLost) this.#shown.renderer.dispose();
    this.#shown = next;
    if (!next) return;
    const { canvas } = this.#parts;
    canvas.width = next.wanted.width;
    canvas.height = next.wanted.height;
    this.#configure(next.gpu);
    this.#changed = true;
    this.#tellFraming();
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
    try {
      if (!this.#wanted.stage.isCurrent) this.#restage();
      else if (!this.#shown || this.#shown.gpu.isLost) void this.#rebuild();
      this.#count(this.#draw() ? 1 : 0);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** False: nothing changed, or nothing can be drawn yet. */
  #draw(): boolean {
    const shown = this.#shown;
    const { stage } = this.#wanted;
    if (!shown || !this.#context || shown.gpu.isLost || shown.wanted.stage !== stage) return false;
    const { renderer } = shown;
    const { remedy } = renderer;
    if (remedy && shown.wanted === this.#wanted) this.#want(remedy);
    const { version } = stage;
    if (!this.#changed && version === this.#version && !stage.moves) return false;
    if (this.#changed) this.#view = null;
    this.#changed = false;
    this.#version = version;
    stage.update(performance.now() / 1000);
    this.#view ??= viewOf(this.#options, stage, renderer.options);
    renderer.drawTo(this.#context.getCurrentTexture(), this.#view.transform, this.#view.background);
    return true;
  }

  #count(frames: number): void {
    this.#frames += frames;
    const now = performance.now();
    const elapsedMs = now - this.#countedSince;
    if (elapsedMs < statsIntervalMs || !this.#shown) return;
    const { renderer, wanted } = this.#shown;
    const framesPerSecond = (this.#frames / elapsedMs) * 1000;
    const { splats } = wanted.stage;
    const { method } = renderer.options;
    this.#tell({ stats: { framesPerSecond, splats, method, dropped: renderer.dropped } });
    this.#frames = 0;
    this.#countedSince = now;
  }

  #fail(thrown: unknown): void {
    // A lost device is replaced, and frames come again.
    if (this.#stopped || this.#shown?.gpu.isLost) return;
    const { code, message, where, fix } = toVitrailError(thrown, 'avatar/view');
    if (code === 'gpu-device-lost') return;
    this.#tell({ error: { code, message, where, fix } });
    this.#stop();
  }

  #tellFraming(): void {
    const { stage, width, height } = this.#wanted;
    this.#tell({ framing: stage.camera(width / height) });
  }

  #tell(event: ViewEvent): void {
    if (!this.#stopped) this.#parts.port.postMessage(event);
  }
}

/** How frames look until something else than the poses changes. */
interface View {
  transform: ViewTransform;
  background: Background;
}

function viewOf(
  { camera, background }: ViewOptions,
  stage: AvatarStage,
  { width, height }: { width: number; height: number },
): View {
  return {
    transform: viewTransform(camera ?? stage.camera(width / height), width, height),
    background: background ? [...background, 1] : transparent,
  };
}

/** What both ways of drawing can write to. */
const canvasFormat: GPUTextureFormat = 'rgba8unorm';
const transparent = [0, 0, 0, 0] as const;

/** Not every browser has frames of the display in workers. */
function nextFrame(callback: () => void): void {
  if ('requestAnimationFrame' in globalThis) requestAnimationFrame(callback);
  else setTimeout(callback, 1000 / 60);
}
