import type { AvatarBody } from '../formats/avatar-body.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { bodyNetworks } from '../kernels/body-networks.ts';
import { BodyCondition } from './body-condition.ts';
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
import type { UniformRoom } from './frame-data.ts';
import { uploadBuffers } from './geometry.ts';
import type { Pose } from './pose.ts';

/** The body of an avatar on the GPU: its networks and the maps that they read. */
export class BodyNetworks {
  readonly body: AvatarBody;
  readonly reach: readonly number[];
  /** Of the uniform that a frame has for them. */
  readonly networkFloats: number;
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
    this.networkFloats = networkFrameFloats(networksUse(body, { width: 1, height: 1 }));
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
  readonly #size: { width: number; height: number };
  readonly #values: Float32Array;
  readonly #condition: BodyCondition;
  /** Where the anchors are in the picture of training; null where the networks see what the texture's homography leads to. */
  readonly #anchors: PointProjection | null;
  readonly #training: ViewTransform;

  static async prepare(
    gpu: Gpu,
    networks: BodyNetworks,
    size: { width: number; height: number },
    pose: Pose,
    frame: UniformRoom,
  ): Promise<NetworkPicture> {
    const { body, buffers } = networks;
    const bytes = size.width * size.height * 4;
    const image = gpu.createBuffer('body picture', bytes, GPUBufferUsage.STORAGE);
    try {
      const bound = { frame: frame.range, ...buffers, image };
      const dispatch = await prepareDispatch(gpu, bodyNetworks, networksUse(body, size), bound);
      return new NetworkPicture(gpu, networks, size, dispatch, frame.values, image, pose);
    } catch (thrown) {
      gpu.destroyBuffer(image);
      throw thrown;
    }
  }

  private constructor(
    gpu: Gpu,
    networks: BodyNetworks,
    size: { width: number; height: number },
    dispatch: Dispatch,
    values: Float32Array,
    picture: GPUBuffer,
    pose: Pose,
  ) {
    this.#gpu = gpu;
    this.#networks = networks;
    this.#size = size;
    this.dispatch = dispatch;
    this.picture = picture;
    this.#values = values;
    this.#condition = new BodyCondition(networks.body, pose);
    const { anchors, camera, image, networksSee } = networks.body;
    this.#anchors = networksSee === 'homography' ? null : new PointProjection(anchors, pose);
    this.#training = viewTransform(camera, image, image);
  }

  /**
   * Brings the uniform to a frame: `places` are the anchors in the picture, `texture` the homography from there to their targets. False: nobody can
   * tell where its pixels lie in the picture of training.
   */
  update(pose: Pose, places: Float64Array, texture: Homography): boolean {
    const { body, reach } = this.#networks;
    const training = this.#anchors
      ? solveHomography(places, this.#anchors.project(pose, this.#training))
      : texture;
    if (!training) return false;
    const condition = this.#condition.update(pose);
    const { width, height } = this.#size;
    fillNetworkFrame(this.#values, body, { width, height, training, texture, reach, condition });
    return true;
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.picture);
  }
}
