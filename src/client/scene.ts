import { transfer } from 'comlink';
import { toVitrailError } from '../errors.ts';
import type { WorkerConnection } from '../rpc/connection.ts';
import type { SceneMember } from '../runtime/avatar-contract.ts';
import type { Camera, FrameTiming, MeasureOptions, PictureOptions } from '../types.ts';
import type { AttachOptions, AvatarView, PlacedAvatar, Scene } from './api.ts';
import type { WorkerAvatar } from './avatar.ts';
import { CanvasView } from './canvas-view.ts';

/** Avatars that the worker draws together. It keeps no scene: each call brings the list. */
export class WorkerScene implements Scene {
  readonly #connection: WorkerConnection;
  readonly #views = new Set<CanvasView>();
  #avatars: readonly PlacedAvatar[];

  constructor(connection: WorkerConnection, avatars: readonly PlacedAvatar[]) {
    this.#connection = connection;
    this.#avatars = avatars;
  }

  set(avatars: readonly PlacedAvatar[]): void {
    this.#avatars = avatars;
    for (const view of this.#views) view.setMembers(this.#members());
  }

  attach(canvas: HTMLCanvasElement, options: AttachOptions = {}): AvatarView {
    const framing = this.#avatars[0]?.avatar.info.camera ?? noAvatar;
    const view = new CanvasView(canvas, framing, options, () => this.#views.delete(view));
    this.#views.add(view);
    const { offscreen, port, viewOptions } = view.opening;
    this.#connection
      .call((service) =>
        service.attachScene(
          this.#members(),
          transfer(offscreen, [offscreen]),
          viewOptions,
          transfer(port, [port]),
        ),
      )
      .catch((thrown) => view.fail(toVitrailError(thrown, 'avatar/attach')));
    return view;
  }

  async render(options: PictureOptions): Promise<ImageData> {
    const { data, width, height } = await this.#connection.call((service) =>
      service.renderScene(this.#members(), options),
    );
    return new ImageData(data, width, height);
  }

  measure(options: MeasureOptions): Promise<FrameTiming> {
    return this.#connection.call((service) => service.measureScene(this.#members(), options));
  }

  async dispose(): Promise<void> {
    for (const view of this.#views) view.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Who is disposed has left. */
  #members(): SceneMember[] {
    return this.#avatars.flatMap(({ avatar, ...place }) => {
      const { id, isDisposed } = avatar as WorkerAvatar;
      return isDisposed ? [] : [{ ...place, avatar: id }];
    });
  }
}

/** Until somebody is there to be framed. */
const noAvatar: Camera = { position: [0, 0, 1], target: [0, 0, 0], fovY: 30 };
