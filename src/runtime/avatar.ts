import { invalidArgument, throwIfAborted, toVitrailError } from '../errors.ts';
import { readSplatFile, type SplatFile } from '../formats/splats.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Animator } from '../splats/animator.ts';
import { type UploadedBody, uploadBody } from '../splats/body-layer.ts';
import { framingCamera, viewTransform } from '../splats/camera.ts';
import { SplatGeometry } from '../splats/geometry.ts';
import { decodeImage } from '../splats/image-decoder.ts';
import { fasterMethod, probeSide } from '../splats/measure.ts';
import type { SceneObject } from '../splats/renderer.ts';
import type { AvatarInfo, BodyMethod, Camera, LoadAvatarOptions, RasterMethod } from '../types.ts';
import type { AvatarCommand, ServedAvatar } from './avatar-contract.ts';

/** Splats that live on the GPU, animated where the file has a rig. */
export class EngineAvatar implements ServedAvatar {
  readonly info: AvatarInfo;
  /** How many commands there were. */
  version = 0;
  readonly #file: SplatFile;
  readonly #animator: Animator | null;
  #gpu: Gpu;
  #geometry: SplatGeometry;
  #body: UploadedBody | null = null;
  /** By the side of the picture that decided. */
  readonly #methods = new Map<number, Promise<RasterMethod>>();

  /** Uploads a file of splats. Throws `invalid-argument`, `model-corrupt`, `model-unsupported`, `gpu-out-of-memory`, `aborted`. */
  static async open(
    gpu: Gpu,
    bytes: Uint8Array,
    options: LoadAvatarOptions,
  ): Promise<EngineAvatar> {
    const { body = 'texture' } = options;
    checkBodyMethod(body);
    const file = await readSplatFile(bytes, (image) => decodeImage(gpu, image));
    throwIfAborted(options.signal, 'avatar/load');
    const geometry = await SplatGeometry.upload(gpu, file.cloud, file.rig);
    try {
      const avatar = new EngineAvatar(gpu, file, geometry, body);
      await avatar.#uploadBody(gpu);
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

  async #uploadBody(gpu: Gpu): Promise<void> {
    const { body } = this.#file;
    const { body: method } = this.info;
    if (body && method) this.#body = await uploadBody(gpu, body, method);
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
    this.version += 1;
  }

  /** Does the pose change by itself? */
  get moves(): boolean {
    return this.#animator?.moves ?? false;
  }

  /** Brings the pose to a time in seconds. */
  update(seconds: number): void {
    this.#animator?.update(seconds);
  }

  /** Moves to a new device: what was on the lost one is gone. */
  async restore(gpu: Gpu): Promise<void> {
    const { cloud, rig } = this.#file;
    const geometry = await SplatGeometry.upload(gpu, cloud, rig);
    await this.#uploadBody(gpu);
    this.#geometry = geometry;
    this.#gpu = gpu;
    this.#methods.clear();
  }

  dispose(): void {
    if (this.#gpu.isLost) return;
    this.#geometry.dispose();
    this.#body?.dispose();
  }

  get gpu(): Gpu {
    return this.#gpu;
  }

  get geometry(): SplatGeometry {
    return this.#geometry;
  }

  /** What a renderer draws. */
  object(): SceneObject {
    const { pose = null } = this.#animator ?? {};
    return { geometry: this.#geometry, pose, body: this.#body };
  }

  /** Scans of 3DGS have y down, avatars have it up. */
  get isScan(): boolean {
    return this.#file.rig === null;
  }

  /** The way of drawing that is faster here for pictures of about this size: measured once a device and size. */
  fasterMethod(size: { width: number; height: number }): Promise<RasterMethod> {
    const side = probeSide(size, this.#gpu.capabilities.software);
    const known = this.#methods.get(side);
    if (known) return known;
    const view = viewTransform(this.#camera(1), side, side);
    const method = fasterMethod(this.#gpu, [this.object()], view).catch((thrown) => {
      this.#methods.delete(side);
      throw toVitrailError(thrown, 'avatar/measure');
    });
    this.#methods.set(side, method);
    return method;
  }

  #camera(aspect: number): Camera {
    return framingCamera(this.#geometry.framed, this.isScan, aspect);
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
