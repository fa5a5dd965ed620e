import { transfer } from 'comlink';
import { toVitrailError, VitrailError } from '../errors.ts';
import type { WorkerConnection } from '../rpc/connection.ts';
import type { LoadedAvatar } from '../rpc/contract.ts';
import type { AvatarCommand, ViewCommand, ViewEvent } from '../runtime/avatar-contract.ts';
import type {
  AvatarInfo,
  AvatarState,
  Camera,
  Color,
  ExpressionTrack,
  FrameTiming,
  MeasureOptions,
  PictureOptions,
  ViewStats,
} from '../types.ts';
import type { AttachOptions, Avatar, AvatarView } from './api.ts';
import { offscreenOf } from './offscreen-canvas.ts';
import { OrbitControls } from './orbit-controls.ts';

/** An avatar that lives in the worker. */
export class WorkerAvatar implements Avatar {
  readonly info: AvatarInfo;
  readonly #connection: WorkerConnection;
  readonly #id: number;
  readonly #views = new Set<CanvasView>();
  /** The stream that is being spoken: a newer one, or `say`, ends it. */
  #speech: object | null = null;

  constructor(connection: WorkerConnection, { id, info }: LoadedAvatar) {
    this.#connection = connection;
    this.#id = id;
    this.info = info;
  }

  attach(canvas: HTMLCanvasElement, options: AttachOptions = {}): AvatarView {
    const view = new CanvasView(canvas, this.info.camera, options, () => this.#views.delete(view));
    this.#views.add(view);
    const { offscreen, port, viewOptions } = view.opening;
    this.#connection
      .call((service) =>
        service.attachAvatar(
          this.#id,
          transfer(offscreen, [offscreen]),
          viewOptions,
          transfer(port, [port]),
        ),
      )
      .catch((thrown) => view.fail(toVitrailError(thrown, 'avatar/attach')));
    return view;
  }

  setExpression(weights: Readonly<Record<string, number>>): Promise<void> {
    return this.#command({ type: 'expression', weights });
  }

  setJoint(name: string, rotation: readonly [number, number, number, number]): Promise<void> {
    return this.#command({ type: 'joint', name, rotation: [...rotation] });
  }

  play(
    what: string | ExpressionTrack | null,
    { loop = false }: { loop?: boolean } = {},
  ): Promise<void> {
    return this.#command({ type: 'play', what, loop });
  }

  setIdle(on: boolean): Promise<void> {
    return this.#command({ type: 'idle', on });
  }

  say(text: string | null): Promise<void> {
    this.#speech = null;
    if (text === null) return this.#command({ type: 'speech', step: 'stop' });
    return this.#command({ type: 'speech', step: 'say', text });
  }

  async speak(stream: AsyncIterable<string | { text: string }>): Promise<void> {
    const speech = {};
    this.#speech = speech;
    await this.#command({ type: 'speech', step: 'open' });
    try {
      for await (const piece of stream) {
        if (this.#speech !== speech) return;
        const text = typeof piece === 'string' ? piece : piece.text;
        await this.#command({ type: 'speech', step: 'piece', text });
      }
    } finally {
      if (this.#speech === speech) await this.#command({ type: 'speech', step: 'end' });
    }
  }

  setState(state: AvatarState): Promise<void> {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    return this.#command({ type: 'state', state, still });
  }

  #command(command: AvatarCommand): Promise<void> {
    return this.#connection.call((service) => service.commandAvatar(this.#id, command));
  }

  async render(options: PictureOptions): Promise<ImageData> {
    const { data, width, height } = await this.#connection.call((service) =>
      service.renderAvatar(this.#id, options),
    );
    return new ImageData(data, width, height);
  }

  measure(options: MeasureOptions): Promise<FrameTiming> {
    return this.#connection.call((service) => service.measureAvatar(this.#id, options));
  }

  async dispose(): Promise<void> {
    for (const view of this.#views) view.stop();
    if (!this.#connection.isOpen) return;
    await this.#connection.call((service) => service.disposeAvatar(this.#id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const maxPixelRatio = 2;

type Listener = { stats: (stats: ViewStats) => void; error: (error: VitrailError) => void };

/** A canvas that the worker draws to: keeps its size and its camera up to date. */
class CanvasView implements AvatarView {
  readonly opening: {
    offscreen: OffscreenCanvas;
    port: MessagePort;
    viewOptions: { width: number; height: number; camera: Camera | null; background: Color | null };
  };
  readonly #canvas: HTMLCanvasElement;
  readonly #port: MessagePort;
  readonly #pixelRatio: number | undefined;
  readonly #controls: OrbitControls | null;
  readonly #resizes: ResizeObserver;
  readonly #listeners = {
    stats: new Set<Listener['stats']>(),
    error: new Set<Listener['error']>(),
  };
  readonly #onStop: () => void;
  #camera: Camera | null;
  #stopped = false;

  constructor(
    canvas: HTMLCanvasElement,
    framing: Camera,
    { camera, background = null, pixelRatio, controls = true }: AttachOptions,
    onStop: () => void,
  ) {
    this.#canvas = canvas;
    this.#pixelRatio = pixelRatio;
    this.#onStop = onStop;
    this.#camera = camera ?? null;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<ViewEvent>) => this.#onEvent(data);
    this.opening = {
      offscreen: offscreenOf(canvas, 'avatar/attach'),
      port: port2,
      viewOptions: { ...this.#size(), camera: camera ?? null, background },
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
    this.#controls?.reset(camera);
    this.#tell({ camera });
  }

  setBackground(background: Color | null): void {
    this.#tell({ background });
  }

  on(event: 'stats', listener: Listener['stats']): () => void;
  on(event: 'error', listener: Listener['error']): () => void;
  on(event: 'stats' | 'error', listener: Listener['stats'] | Listener['error']): () => void {
    const listeners = this.#listeners[event] as Set<typeof listener>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  fail(error: VitrailError): void {
    if (this.#stopped) return;
    for (const listener of this.#listeners.error) listener(error);
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
    for (const listener of this.#listeners.stats) listener(event.stats);
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
