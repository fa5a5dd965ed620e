import { transfer } from 'comlink';
import { invalidArgument } from '../errors.ts';
import type { WorkerConnection } from '../rpc/connection.ts';
import type { Detection, DetectOptions, DetectorInfo } from '../types.ts';
import type { LoadedDetector } from '../vision/vision-call.ts';
import type { DetectableFrame, Detector, DetectorView } from './api.ts';
import { WatchedVideo } from './detector-view.ts';

/** A detector in the worker, as the page holds it. */
export class WorkerDetector implements Detector {
  readonly info: DetectorInfo;
  readonly #connection: WorkerConnection;
  readonly #url: string;
  readonly #id: number;

  constructor(connection: WorkerConnection, url: string, loaded: LoadedDetector) {
    this.#connection = connection;
    this.#url = url;
    this.#id = loaded.id;
    this.info = loaded.info;
  }

  async detect(
    frame: DetectableFrame,
    { signal, ...options }: DetectOptions & { signal?: AbortSignal } = {},
  ): Promise<Detection> {
    const bitmap = await bitmapOf(frame);
    const call = { method: 'detect', id: this.#id, frame: bitmap, options };
    return this.#connection.stream(
      (service, port) =>
        service.extend(this.#url, transfer(call, [bitmap]), port) as Promise<Detection>,
      signal,
    );
  }

  attach(
    video: HTMLVideoElement,
    canvas: HTMLCanvasElement,
    options: DetectOptions = {},
  ): DetectorView {
    return new WatchedVideo(this, video, canvas, options);
  }

  async dispose(): Promise<void> {
    if (!this.#connection.isOpen) return;
    await this.#connection.stream((service, port) =>
      service.extend(this.#url, { method: 'dispose', id: this.#id }, port),
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
