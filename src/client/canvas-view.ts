import { VitrailError } from '../errors.ts';
import type {
  SceneMember,
  ViewCommand,
  ViewEvent,
  ViewOptions,
} from '../runtime/avatar-contract.ts';
import type { Camera, Color, ViewStats } from '../types.ts';
import type { AttachOptions, AvatarView } from './api.ts';
import { Listeners } from './listeners.ts';
import { offscreenOf } from './offscreen-canvas.ts';
import { OrbitControls } from './orbit-controls.ts';

const maxPixelRatio = 2;

type ViewListeners = { stats: (stats: ViewStats) => void; error: (error: VitrailError) => void };

/** A canvas that the worker draws to: keeps its size and its camera up to date. */
export class CanvasView implements AvatarView {
  readonly opening: {
    offscreen: OffscreenCanvas;
    port: MessagePort;
    viewOptions: ViewOptions;
  };
  readonly #canvas: HTMLCanvasElement;
  readonly #port: MessagePort;
  readonly #pixelRatio: number | undefined;
  readonly #controls: OrbitControls | null;
  readonly #resizes: ResizeObserver;
  readonly #listeners = new Listeners<ViewListeners>();
  readonly #onStop: () => void;
  #camera: Camera | null;
  /** The camera where none is set. */
  #framing: Camera;
  #stopped = false;

  constructor(
    canvas: HTMLCanvasElement,
    framing: Camera,
    { camera, background = null, pixelRatio, controls = true, method }: AttachOptions,
    onStop: () => void,
  ) {
    this.#canvas = canvas;
    this.#pixelRatio = pixelRatio;
    this.#onStop = onStop;
    this.#camera = camera ?? null;
    this.#framing = framing;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<ViewEvent>) => this.#onEvent(data);
    this.opening = {
      offscreen: offscreenOf(canvas, 'avatar/attach'),
      port: port2,
      viewOptions: { ...this.#size(), camera: this.#camera, background, method },
    };
    this.#controls = controls
      ? new OrbitControls(canvas, camera ?? framing, (moved) => {
          this.#camera = moved;
          this.#tell({ camera: moved });
        })
      : null;
    this.#resizes = new ResizeObserver(() => this.#tell(this.#size()));
    this.#resizes.observe(canvas);
  }

  get camera(): Camera | null {
    return this.#camera;
  }

  setCamera(camera: Camera | null): void {
    this.#camera = camera;
    this.#controls?.reset(camera ?? this.#framing);
    this.#tell({ camera });
  }

  setBackground(background: Color | null): void {
    this.#tell({ background });
  }

  on<Name extends keyof ViewListeners>(event: Name, listener: ViewListeners[Name]): () => void {
    return this.#listeners.add(event, listener);
  }

  fail(error: VitrailError): void {
    if (this.#stopped) return;
    this.#listeners.fire('error', error);
    this.stop();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#tell({ stop: true });
    this.#stopped = true;
    this.#controls?.dispose();
    this.#resizes.disconnect();
    this.#onStop();
  }

  #onEvent(event: ViewEvent): void {
    if ('error' in event) {
      const { code, message, where, fix } = event.error;
      this.fail(new VitrailError(code, message, { where, fix }));
      return;
    }
    if ('framing' in event) {
      this.#framing = event.framing;
      if (!this.#camera) this.#controls?.reset(event.framing);
      return;
    }
    this.#listeners.fire('stats', event.stats);
  }

  /** Others are in the picture, or elsewhere. */
  setMembers(members: SceneMember[]): void {
    this.#tell({ members });
  }

  #tell(command: ViewCommand): void {
    if (!this.#stopped) this.#port.postMessage(command);
  }

  #size(): { width: number; height: number } {
    const ratio = this.#pixelRatio ?? Math.min(maxPixelRatio, globalThis.devicePixelRatio || 1);
    const pixels = (length: number): number => Math.max(1, Math.round(length * ratio));
    return { width: pixels(this.#canvas.clientWidth), height: pixels(this.#canvas.clientHeight) };
  }
}
