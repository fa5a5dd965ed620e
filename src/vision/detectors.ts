import { invalidArgument } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Detection } from '../types.ts';
import { FrameDetector } from './frame-detector.ts';
import { LiveView } from './live-view.ts';
import type { LoadedDetector, VisionPartCall } from './vision-call.ts';

/** A detector, the device it is on, and its file: another device gets it anew. */
interface OpenDetector {
  bytes: Uint8Array;
  gpu: Gpu;
  detector: Promise<FrameDetector>;
  views: Set<LiveView>;
}

/** The detectors of one worker. */
export class Detectors {
  readonly #open = new Map<number, OpenDetector>();
  #lastId = 0;

  call(gpu: Gpu, call: VisionPartCall): Promise<unknown> {
    if (call.method === 'load') return this.#load(gpu, call.bytes);
    if (call.method === 'detect') return this.#detect(gpu, call);
    if (call.method === 'attach') return this.#attach(gpu, call);
    return this.#dispose(call.id);
  }

  async #load(gpu: Gpu, bytes: Uint8Array): Promise<LoadedDetector> {
    const detector = await FrameDetector.create(gpu, bytes);
    this.#lastId += 1;
    this.#open.set(this.#lastId, {
      bytes,
      gpu,
      detector: Promise.resolve(detector),
      views: new Set(),
    });
    return { id: this.#lastId, info: detector.info };
  }

  async #detect(
    gpu: Gpu,
    { id, frame, options }: Extract<VisionPartCall, { method: 'detect' }>,
  ): Promise<Detection> {
    try {
      return await (await this.#on(gpu, id).detector).detect(frame, options);
    } finally {
      frame.close();
    }
  }

  /** The detector, on the device of now. Throws `invalid-argument` where it is disposed. */
  #on(gpu: Gpu, id: number): OpenDetector {
    const open = this.#open.get(id);
    if (!open) {
      const fix = 'Load it again, or call dispose() later.';
      throw invalidArgument('vision/detector', 'The detector has been disposed.', fix);
    }
    if (open.gpu !== gpu) {
      open.gpu = gpu;
      open.detector = FrameDetector.create(gpu, open.bytes);
    }
    return open;
  }

  async #attach(
    gpu: Gpu,
    { id, canvas, port }: Extract<VisionPartCall, { method: 'attach' }>,
  ): Promise<void> {
    const open = this.#on(gpu, id);
    const detector = await open.detector;
    const screen = await detector.openScreen(canvas);
    const view = new LiveView(detector, screen, port, () => open.views.delete(view));
    open.views.add(view);
    if (this.#open.get(id) !== open) await view.stop();
  }

  async #dispose(id: number): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    await Promise.all([...(open?.views ?? [])].map((view) => view.stop()));
    await (await open?.detector)?.dispose();
  }
}
