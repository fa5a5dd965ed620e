import type { AvatarBody } from '../formats/avatar-body.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { bodyNetworks } from '../kernels/body-networks.ts';
import { bodyCondition } from './body-condition.ts';
import { type Homography, PointProjection, solveHomography } from './body-homography.ts';
import {
  bodyReach,
  fillNetworkFrame,
  networkFrameFloats,
  networksUse,
  packCoarse,
  packLatents,
  packNetworks,
} from './body-pack.ts';
import { type ViewTransform, viewTransform } from './camera.ts';
import { uploadBuffers } from './geometry.ts';
import type { Pose } from './pose.ts';

/** The body of an avatar on the GPU: its networks and the maps that they read. */
export class BodyNetworks {
  readonly body: AvatarBody;
  readonly reach: readonly number[];
  readonly buffers: Readonly<Record<string, GPUBuffer>>;
  readonly #gpu: Gpu;

  /** Throws `model-corrupt`, `model-unsupported` and `gpu-out-of-memory`. */
  static upload(gpu: Gpu, body: AvatarBody): Promise<BodyNetworks> {
    return gpu.withMemoryCheck(() => new BodyNetworks(gpu, body));
  }

  private constructor(gpu: Gpu, body: AvatarBody) {
    this.#gpu = gpu;
    this.body = body;
    this.reach = bodyReach(body);
    this.buffers = uploadBuffers(gpu, {
      weights: packNetworks(body),
      coarse: packCoarse(body.coarse),
      latents: packLatents(body.latents),
    });
  }

  dispose(): void {
    for (const buffer of Object.values(this.buffers)) this.#gpu.destroyBuffer(buffer);
  }
}

/** What the networks of a body show in pictures of one size. */
export class NetworkPicture {
  /** [height, width] R, G, B and straight alpha in bytes. */
  readonly picture: GPUBuffer;
  readonly dispatch: Dispatch;
  readonly #gpu: Gpu;
  readonly #networks: BodyNetworks;
  readonly #frame: GPUBuffer;
  readonly #size: { width: number; height: number };
  readonly #values: Float32Array<ArrayBuffer>;
  /** Where the anchors are in the picture of training; null where the networks see what the texture's homography leads to. */
  readonly #anchors: PointProjection | null;
  readonly #training: ViewTransform;

  static async prepare(
    gpu: Gpu,
    networks: BodyNetworks,
    size: { width: number; height: number },
    pose: Pose,
  ): Promise<NetworkPicture> {
    const { body, buffers } = networks;
    const use = networksUse(body, size);
    const floats = networkFrameFloats(use);
    const { UNIFORM, STORAGE, COPY_DST } = GPUBufferUsage;
    const frame = gpu.createBuffer('body networks frame', floats * 4, UNIFORM | COPY_DST);
    const image = gpu.createBuffer('body picture', size.width * size.height * 4, STORAGE);
    try {
      const dispatch = await prepareDispatch(gpu, bodyNetworks, use, { frame, ...buffers, image });
      return new NetworkPicture(gpu, networks, size, dispatch, frame, image, floats, pose);
    } catch (thrown) {
      gpu.destroyBuffer(frame);
      gpu.destroyBuffer(image);
      throw thrown;
    }
  }

  private constructor(
    gpu: Gpu,
    networks: BodyNetworks,
    size: { width: number; height: number },
    dispatch: Dispatch,
    frame: GPUBuffer,
    picture: GPUBuffer,
    floats: number,
    pose: Pose,
  ) {
    this.#gpu = gpu;
    this.#networks = networks;
    this.#size = size;
    this.dispatch = dispatch;
    this.#frame = frame;
    this.picture = picture;
    this.#values = new Float32Array(floats);
    const { anchors, camera, image, networksSee } = networks.body;
    this.#anchors = networksSee === 'homography' ? null : new PointProjection(anchors, pose);
    this.#training = viewTransform(camera, image, image);
  }

  /**
   * Writes a frame: `places` are the anchors in the picture, `texture` the homography from there to their targets. False: nobody can
   * tell where its pixels lie in the picture of training.
   */
  update(pose: Pose, places: Float64Array, texture: Homography): boolean {
    const { body, reach } = this.#networks;
    const training = this.#anchors
      ? solveHomography(places, this.#anchors.project(pose, this.#training))
      : texture;
    if (!training) return false;
    const condition = bodyCondition(body, pose);
    fillNetworkFrame(this.#values, body, {
      ...this.#size,
      training,
      texture,
      reach,
      condition,
    });
    this.#gpu.write(this.#frame, 0, this.#values);
    return true;
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#frame);
    this.#gpu.destroyBuffer(this.picture);
  }
}
