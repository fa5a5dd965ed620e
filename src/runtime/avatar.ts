import { invalidArgument, throwIfAborted, toVitrailError } from '../errors.ts';
import { readSplatFile, type SplatFile } from '../formats/splats.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Animator } from '../splats/animator.ts';
import { type UploadedBody, uploadBody } from '../splats/body-layer.ts';
import {
  framingCamera,
  turnedCamera,
  type ViewTransform,
  viewTransform,
} from '../splats/camera.ts';
import { SplatGeometry } from '../splats/geometry.ts';
import { decodeImage } from '../splats/image-decoder.ts';
import { fasterMethod, measureFrame } from '../splats/measure.ts';
import { type Picture, renderPicture } from '../splats/picture.ts';
import type { SceneObject } from '../splats/renderer.ts';
import type {
  AvatarInfo,
  BodyMethod,
  Camera,
  FrameTiming,
  LoadAvatarOptions,
  MeasureOptions,
  PictureOptions,
  RasterMethod,
  Source,
} from '../types.ts';
import type { AvatarCommand, ServedAvatar, ViewOptions } from './avatar-contract.ts';
import { AvatarView } from './avatar-view.ts';
import { readSource } from './read-source.ts';

const maxSide = 8192;
/** Pixels of the pictures that decide which way of drawing is faster. */
const probeSide = 512;
const softwareProbeSide = 96;

/** Splats that live on the GPU, animated where the file has a rig. */
export class EngineAvatar implements ServedAvatar {
  readonly info: AvatarInfo;
  readonly #file: SplatFile;
  readonly #animator: Animator | null;
  readonly #views = new Set<AvatarView>();
  #gpu: Gpu;
  #geometry: SplatGeometry;
  #body: UploadedBody | null = null;
  #method: Promise<RasterMethod> | null = null;

  /** Reads a file of splats and uploads it. Throws `invalid-argument`, `network`, `model-corrupt`, `model-unsupported`, `gpu-out-of-memory`, `aborted`. */
  static async open(gpu: Gpu, source: Source, options: LoadAvatarOptions): Promise<EngineAvatar> {
    const { body = 'texture' } = options;
    checkBodyMethod(body);
    const bytes = await readSource(source, options);
    const file = await readSplatFile(bytes, (image) => decodeImage(gpu, image));
    throwIfAborted(options.signal, 'avatar/load');
    const geometry = await SplatGeometry.upload(gpu, file.cloud, file.rig);
    try {
      const avatar = new EngineAvatar(gpu, file, geometry, body);
      await avatar.#uploadBody();
      return avatar;
    } catch (thrown) {
      geometry.dispose();
      throw thrown;
    }
  }

  private constructor(gpu: Gpu, file: SplatFile, geometry: SplatGeometry, body: BodyMethod) {
    this.#gpu = gpu;
    this.#file = file;
    this.#geometry = geometry;
    this.#animator = file.rig ? new Animator(file.rig) : null;
    const { rig, cloud } = file;
    const live = this.#animator?.pose.liveJoints ?? [];
    this.info = {
      splats: cloud.count,
      shDegree: cloud.shDegree,
      expressions: [...(rig?.expressions ?? [])],
      joints: live.map((joint) => rig?.joints[joint]?.name ?? ''),
      clips: rig?.clips.map(({ name }) => name) ?? [],
      camera: this.#camera(1),
      body: file.body && this.#animator ? body : null,
    };
  }

  async #uploadBody(): Promise<void> {
    const { body } = this.#file;
    const { body: method } = this.info;
    if (body && method) this.#body = await uploadBody(this.#gpu, body, method);
  }

  command(command: AvatarCommand): void {
    const animator = this.#animator;
    if (!animator) {
      throw invalidArgument(
        'avatar/pose',
        'These splats have no rig, so nothing can move them.',
        'Use an avatar with expressions and joints, such as an archive of LAM.',
      );
    }
    const now = performance.now() / 1000;
    if (command.type === 'expression') animator.setExpression(command.weights);
    else if (command.type === 'joint') animator.setJoint(command.name, command.rotation);
    else if (command.type === 'play') animator.play(command.what, command.loop, now);
    else if (command.type === 'idle') animator.idle = command.on;
    else if (command.type === 'state') animator.setState(command.state, command.still);
    else if ('text' in command) animator.speech[command.step](command.text);
    else animator.speech[command.step]();
    for (const view of this.#views) view.invalidate();
  }

  async render(options: PictureOptions): Promise<Picture> {
    const { width, height, camera = this.#camera(width / height), background = null } = options;
    checkSize(width, height);
    this.#animator?.update(performance.now() / 1000);
    const view = viewTransform(camera, width, height);
    const behind = background && ([...background, 1] as const);
    const method = options.method ?? (await this.#fasterMethod());
    return renderPicture(this.#gpu, [this.#object()], view, behind, method);
  }

  async measure(options: MeasureOptions): Promise<FrameTiming> {
    const {
      width,
      height,
      camera = this.#camera(width / height),
      frames = 30,
      copies = 1,
      turn = 0,
    } = options;
    checkSize(width, height);
    const method = options.method ?? (await this.#fasterMethod());
    const viewAt = (frame: number): ViewTransform =>
      viewTransform(turn ? turnedCamera(camera, frame * turn) : camera, width, height);
    const objects = sideBySide(this.#object(), copies);
    const ms = await measureFrame(this.#gpu, objects, viewAt, method, frames, () =>
      this.#animator?.update(performance.now() / 1000),
    );
    return { method, splats: this.info.splats * objects.length, ms };
  }

  async attach(canvas: OffscreenCanvas, options: ViewOptions, port: MessagePort): Promise<void> {
    const view = new AvatarView({
      canvas,
      port,
      options,
      method: await this.#fasterMethod(),
      scene: {
        objects: () => [this.#object()],
        camera: (aspect) => this.#camera(aspect),
        moves: () => this.#animator?.moves ?? false,
        update: (seconds) => this.#animator?.update(seconds),
      },
      onStop: () => this.#views.delete(view),
    });
    this.#views.add(view);
    await view.start(this.#gpu);
  }

  /** Moves to a new device: what was on the lost one is gone. */
  async restore(gpu: Gpu): Promise<void> {
    this.#gpu = gpu;
    this.#method = null;
    this.#geometry = await SplatGeometry.upload(gpu, this.#file.cloud, this.#file.rig);
    await this.#uploadBody();
    await Promise.all([...this.#views].map((view) => view.start(gpu)));
  }

  dispose(): void {
    for (const view of this.#views) view.stop();
    this.#views.clear();
    if (this.#gpu.isLost) return;
    this.#geometry.dispose();
    this.#body?.dispose();
  }

  #object(): SceneObject {
    return {
      geometry: this.#geometry,
      pose: this.#animator?.pose ?? null,
      body: this.#body,
    };
  }

  #camera(aspect: number): Camera {
    return framingCamera(this.#geometry.framed, this.#file.rig === null, aspect);
  }

  #fasterMethod(): Promise<RasterMethod> {
    const side = this.#gpu.capabilities.software ? softwareProbeSide : probeSide;
    const view = viewTransform(this.#camera(1), side, side);
    this.#method ??= fasterMethod(this.#gpu, [this.#object()], view).catch((thrown) => {
      this.#method = null;
      throw toVitrailError(thrown, 'avatar/measure');
    });
    return this.#method;
  }
}

function checkBodyMethod(body: string): void {
  if (body === 'texture' || body === 'networks') return;
  throw invalidArgument(
    'avatar/load',
    `A body cannot be drawn as '${body}'.`,
    "Pass 'texture' or 'networks'.",
  );
}

/** Copies of an object in rows, as close as their bounds allow. */
function sideBySide(object: SceneObject, copies: number): SceneObject[] {
  const columns = Math.ceil(Math.sqrt(copies));
  const step = object.geometry.framed.radius * 1.2;
  return Array.from({ length: copies }, (_, i) => {
    const right = ((i % columns) - (columns - 1) / 2) * step;
    const back = Math.floor(i / columns) * step;
    return { ...object, transform: Float64Array.of(1, 0, 0, right, 0, 1, 0, 0, 0, 0, 1, -back) };
  });
}

function checkSize(width: number, height: number): void {
  const valid = [width, height].every(
    (side) => Number.isInteger(side) && side > 0 && side <= maxSide,
  );
  if (valid) return;
  throw invalidArgument(
    'avatar/size',
    `A picture cannot be ${width} × ${height} pixels.`,
    `Pass whole numbers from 1 to ${maxSide}.`,
  );
}
