import { toVitrailError } from '../errors.ts';
import type { LiveOptions } from '../types.ts';
import type { FrameDetector } from './frame-detector.ts';
import type { LiveScreen } from './live-screen.ts';
import { framesUnderWay, type LiveCommand, type LiveEvent } from './vision-call.ts';

/** Frames that come over a port, detected in and drawn one after another. Ends at the first failure. */
export class LiveView {
  readonly #detector: FrameDetector;
  readonly #screen: LiveScreen;
  readonly #port: MessagePort;
  readonly #onStop: () => void;
  readonly #underWay = new Set<Promise<void>>();
  #slot = 0;
  #stopped: Promise<void> | undefined;

  constructor(detector: FrameDetector, screen: LiveScreen, port: MessagePort, onStop: () => void) {
    this.#detector = detector;
    this.#screen = screen;
    this.#port = port;
    this.#onStop = onStop;
    screen.onOverdue = () => this.#tell({ again: true });
    port.onmessage = ({ data }: MessageEvent<LiveCommand>) => {
      if ('stop' in data) void this.stop();
      else this.#take(data.frame, data.options);
    };
  }

  #take(frame: VideoFrame | ImageBitmap, options: LiveOptions): void {
    if (this.#stopped) {
      frame.close();
      return;
    }
    this.#slot = (this.#slot + 1) % framesUnderWay;
    const shown = this.#show(frame, options).finally(() => this.#underWay.delete(shown));
    this.#underWay.add(shown);
  }

  async #show(frame: VideoFrame | ImageBitmap, options: LiveOptions): Promise<void> {
    try {
      this.#tell({
        detection: await this.#detector.show(this.#screen, frame, this.#slot, options),
      });
    } catch (thrown) {
      const { code, message, where, fix } = toVitrailError(thrown, 'vision/live');
      this.#tell({ error: { code, message, where, fix } });
      void this.stop();
    }
  }

  /** Resolves when the frames under way are done and the screen's memory is free. */
  stop(): Promise<void> {
    this.#stopped ??= Promise.all(this.#underWay).then(() => {
      this.#screen.dispose();
      this.#port.close();
      this.#onStop();
    });
    return this.#stopped;
  }

  #tell(event: LiveEvent): void {
    if (!this.#stopped) this.#port.postMessage(event);
  }
}
