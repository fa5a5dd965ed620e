import { invalidArgument, toVitrailError, VitrailError, type VitrailErrorCode } from '../errors.ts';
import type { LiveDetection, LiveOptions } from '../types.ts';
import { framesUnderWay, type LiveCommand, type LiveEvent } from '../vision/vision-call.ts';
import type { DetectorView } from './api.ts';
import { Listeners } from './listeners.ts';

type FrameListeners = {
  result: (detection: LiveDetection) => void;
  end: () => void;
  error: (error: VitrailError) => void;
};

/** Sends a video's frames, or an image, to the worker, no faster than they are answered. */
export class FrameView implements DetectorView {
  /** The worker's end, to be transferred. */
  readonly workerPort: MessagePort;
  readonly #port: MessagePort;
  readonly #source: HTMLVideoElement | HTMLImageElement;
  readonly #onStop: () => void;
  readonly #ending = new AbortController();
  readonly #listeners = new Listeners<FrameListeners>();
  #options: LiveOptions;
  #unanswered = 0;
  /** A still to be sent when there is room: an image, or a paused video whose options changed. */
  #stillWaits = false;

  constructor(
    source: HTMLVideoElement | HTMLImageElement,
    options: LiveOptions,
    onStop: () => void,
  ) {
    this.#source = source;
    this.#options = options;
    this.#onStop = onStop;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.workerPort = port2;
    port1.onmessage = ({ data }: MessageEvent<LiveEvent>) => this.#onEvent(data);
  }

  /** The worker is ready for frames. */
  start(): void {
    const { signal } = this.#ending;
    if (signal.aborted) return;
    this.#sendStill();
    this.#source.addEventListener('load', () => this.#sendStill(), { signal });
    for (const part of partsThatEnd(this.#source))
      part.addEventListener('ended', () => this.#listeners.fire('end', undefined), { signal });
    // A paused video shows another frame after a jump.
    this.#source.addEventListener('seeked', () => this.#sendStill(), { signal });
    if (this.#source instanceof HTMLVideoElement) this.#follow(this.#source);
  }

  setOptions(options: LiveOptions): void {
    this.#options = { ...this.#options, ...options };
    this.#sendStill();
  }

  on<Name extends keyof FrameListeners>(event: Name, listener: FrameListeners[Name]): () => void {
    return this.#listeners.add(event, listener);
  }

  fail(error: VitrailError): void {
    if (this.#ending.signal.aborted) return;
    this.#listeners.fire('error', error);
    this.stop();
  }

  stop(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#port.postMessage({ stop: true } satisfies LiveCommand);
    this.#onStop();
  }

  /** Each frame that the video presents, until the end; the browser presents none while the page is hidden. */
  #follow(video: HTMLVideoElement): void {
    const next = (): void => {
      if (this.#ending.signal.aborted) return;
      if (this.#unanswered < framesUnderWay) void this.#send();
      this.#follow(video);
    };
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  #sendStill(): void {
    const source = this.#source;
    if (source instanceof HTMLVideoElement && !source.paused) return;
    this.#stillWaits = this.#unanswered >= framesUnderWay;
    if (!this.#stillWaits) void this.#send();
  }

  async #send(): Promise<void> {
    if (document.hidden || !hasPixels(this.#source)) return;
    this.#unanswered += 1;
    try {
      const frame = await frameOf(this.#source);
      if (this.#ending.signal.aborted) return frame.close();
      const command: LiveCommand = { frame, options: this.#options };
      this.#port.postMessage(command, [frame]);
    } catch (thrown) {
      this.fail(unreadable(thrown));
    }
  }

  #onEvent(event: LiveEvent): void {
    if (this.#ending.signal.aborted) return;
    if ('error' in event) {
      const { code, message, where, fix } = event.error;
      this.fail(new VitrailError(code as VitrailErrorCode, message, { where, fix }));
      return;
    }
    if ('again' in event) {
      if (this.#unanswered === 0) void this.#send();
      return;
    }
    this.#unanswered -= 1;
    if (this.#stillWaits) this.#sendStill();
    this.#listeners.fire('result', event.detection);
  }
}

/** A video that shows a camera does not end with it: the camera's track does. */
function partsThatEnd(source: HTMLVideoElement | HTMLImageElement): EventTarget[] {
  const stream = source instanceof HTMLVideoElement && source.srcObject;
  return stream instanceof MediaStream ? stream.getVideoTracks() : [source];
}

function hasPixels(source: HTMLVideoElement | HTMLImageElement): boolean {
  if (source instanceof HTMLImageElement) return source.complete && source.naturalWidth > 0;
  return source.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && source.videoWidth > 0;
}

/** The frame of now, as what moves to the worker without a copy where the browser can. */
function frameOf(source: HTMLVideoElement | HTMLImageElement): VideoFrame | Promise<ImageBitmap> {
  if (source instanceof HTMLVideoElement && 'VideoFrame' in globalThis)
    return new VideoFrame(source);
  return createImageBitmap(source);
}

function unreadable(cause: unknown): VitrailError {
  if (!(cause instanceof DOMException)) return toVitrailError(cause, 'detector/frame');
  const error = invalidArgument(
    'detector/frame',
    `The browser cannot read this frame: ${cause.message}`,
    'Use a video or image of this origin, or one whose server allows it (CORS) with crossorigin="anonymous".',
  );
  error.cause = cause;
  return error;
}
