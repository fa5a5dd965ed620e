import { transfer } from 'comlink';
import { toVitrailError } from '../errors.ts';
import type { WorkerConnection } from '../rpc/connection.ts';
import type { SceneMember } from '../runtime/avatar-contract.ts';
import type { Camera, FrameTiming, MeasureOptions, PictureOptions } from '../types.ts';
import type { AttachOptions, AvatarView } from './api.ts';
import { CanvasView } from './canvas-view.ts';

/** What the worker draws: an avatar, or a scene of several. The worker keeps no scene: each call brings who is there. */
export abstract class Drawable {
  protected readonly connection: WorkerConnection;
  readonly #views = new Set<CanvasView>();

  constructor(connection: WorkerConnection) {
    this.connection = connection;
  }

  protected abstract members(): SceneMember[];
  /** What frames it, until the worker says so. */
  protected abstract framing(): Camera;

  attach(canvas: HTMLCanvasElement, options: AttachOptions = {}): AvatarView {
    const view = new CanvasView(canvas, this.framing(), options, () => this.#views.delete(view));
    this.#views.add(view);
    const { offscreen, port, viewOptions } = view.opening;
    this.connection
      .call((service) =>
        service.attachScene(
          this.members(),
          transfer(offscreen, [offscreen]),
          viewOptions,
          transfer(port, [port]),
        ),
      )
      .catch((thrown) => view.fail(toVitrailError(thrown, 'avatar/attach')));
    return view;
  }

  async render(options: PictureOptions): Promise<ImageData> {
    const { data, width, height } = await this.connection.call((service) =>
      service.renderScene(this.members(), options),
    );
    return new ImageData(data, width, height);
  }

  measure(options: MeasureOptions): Promise<FrameTiming> {
    return this.connection.call((service) => service.measureScene(this.members(), options));
  }

  async dispose(): Promise<void> {
    for (const view of this.#views) view.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  protected tellMembers(): void {
    for (const view of this.#views) view.setMembers(this.members());
  }
}
