import { transfer } from 'comlink';
import { invalidArgument, toVitrailError } from '../errors.ts';
import type { WorkerConnection } from '../rpc/connection.ts';
import type { Detection, DetectOptions, DetectorInfo, LiveOptions } from '../types.ts';
import type { LoadedDetector, VisionCall } from '../vision/vision-call.ts';
import type { DetectableFrame, Detector, DetectorView } from './api.ts';
import { FrameView } from './frame-view.ts';
import { offscreenOf } from './offscreen-canvas.ts';

/** A detector in the worker, as the page holds it. */
export class WorkerDetector implements Detector {
  readonly info: DetectorInfo;
  readonly #connection: WorkerConnection;
  readonly #id: number;
  readonly #views = new Set<FrameView>();

  constructor(connection: WorkerConnection, loaded: LoadedDetector) {
    this.#connection = connection;
    this.#id = loaded.id;
    this.info = loaded.info;
  }

  async detect(
    frame: DetectableFrame,
    { signal, ...options }: DetectOptions & { signal?: AbortSignal } = {},
  ): Promise<Detection> {
    const bitmap = await bitmapOf(frame);
    const call: VisionCall = { method: 'detect', id: this.#id, frame: bitmap, options };
    return this.#connection.stream(
      (service, port) => service.callVision(transfer(call, [bitmap]), port) as Promise<Detection>,
      signal,
    );
  }

  attach(
    source: HTMLVideoElement | HTMLImageElement,
    canvas: HTMLCanvasElement,
    options: LiveOptions = {},
  ): DetectorView {
    const view = new FrameView(source, options, () => this.#views.delete(view));
    const offscreen = offscreenOf(canvas, 'detector/attach');
    this.#views.add(view);
    const port = view.workerPort;
    const call: VisionCall = { method: 'attach', id: this.#id, canvas: offscreen, port };
    this.#connection
      .stream((service, channel) => service.callVision(transfer(call, [offscreen, port]), channel))
      .then(
        () => view.start(),
        (thrown) => view.fail(toVitrailError(thrown, 'detector/attach')),
      );
    return view;
  }

  async dispose(): Promise<void> {
    for (const view of this.#views) view.stop();
    if (!this.#connection.isOpen) return;
    await this.#connection.stream((service, port) =>
      service.callVision({ method: 'dispose', id: this.#id }, port),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** A copy that can move to the worker: what the page passed stays the page's. */
async function bitmapOf(frame: DetectableFrame): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(frame);
  } catch (cause) {
    const { message } = cause as Error;
    const error = invalidArgument(
      'client/frame',
      `The browser cannot read this frame: ${message}`,
      'Pass an image, a canvas, a video that has its first frame (loadeddata), or a VideoFrame that is not closed.',
    );
    error.cause = cause;
    throw error;
  }
}
