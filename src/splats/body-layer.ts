import type { AvatarBody } from '../formats/avatar-body.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type BodyUnder, prepareBodyUnder } from '../kernels/body-under.ts';
import type { BodyMethod } from '../types.ts';
import { Displacement } from './body-displacement.ts';
import { type Homography, PointProjection, solveHomography } from './body-homography.ts';
import { BodyNetworks, NetworkPicture } from './body-networks.ts';
import { fillRows } from './body-pack.ts';
import { BodyTexture } from './body-texture.ts';
import type { ViewTransform } from './camera.ts';
import type { UniformRoom } from './frame-data.ts';
import type { Pose } from './pose.ts';
import type { Background, Stage } from './renderer.ts';
import { normalize, subtract, type Vec3 } from './vector.ts';

/** The texture was learnt from the front: seen from further aside it looks flat, and the splats of the body are better. */
const widestView = Math.cos((25 * Math.PI) / 180);

/** The body of an avatar on the GPU, as one of both ways needs it. */
export type UploadedBody = BodyTexture | BodyNetworks;

/** Throws `model-corrupt`, `model-unsupported` and `gpu-out-of-memory`. */
export function uploadBody(gpu: Gpu, body: AvatarBody, method: BodyMethod): Promise<UploadedBody> {
  return method === 'networks' ? BodyNetworks.upload(gpu, body) : BodyTexture.upload(gpu, body);
}

/** Where the renderer has room for uniforms of a body. */
interface BodyFrames {
  under: UniformRoom;
  networks: UniformRoom;
}

/** Draws the body of an avatar beneath its splats: one homography a frame, shares of displacement fields and one triangle, over the baked texture or over what the networks made. */
export class BodyLayer {
  /** What has to run before `draw`. */
  readonly stages: readonly Stage[];
  readonly #body: AvatarBody;
  readonly #networks: NetworkPicture | null;
  readonly #under: BodyUnder;
  readonly #anchors: PointProjection;
  readonly #homography: Homography = new Float64Array(9);
  readonly #displacement: Displacement | null;
  readonly #center: Vec3;
  readonly #front: Vec3;
  readonly #values: Float32Array;

  /** Throws `gpu-limit-exceeded` and `shader-invalid`. */
  static async prepare(
    gpu: Gpu,
    target: { format: GPUTextureFormat; width: number; height: number },
    uploaded: UploadedBody,
    pose: Pose,
    frames: BodyFrames,
  ): Promise<BodyLayer> {
    const networks =
      uploaded instanceof BodyNetworks
        ? await NetworkPicture.prepare(gpu, uploaded, target, pose, frames.networks)
        : null;
    try {
      const source = networks ?? (uploaded as BodyTexture);
      const under = await prepareBodyUnder(gpu, target.format, frames.under.range, source);
      return new BodyLayer(uploaded.body, pose, networks, under, frames.under.values);
    } catch (thrown) {
      networks?.dispose();
      throw thrown;
    }
  }

  private constructor(
    body: AvatarBody,
    pose: Pose,
    networks: NetworkPicture | null,
    under: BodyUnder,
    values: Float32Array,
  ) {
    this.#body = body;
    this.#networks = networks;
    this.stages = networks ? [{ name: 'body', dispatches: [networks.dispatch] }] : [];
    this.#under = under;
    this.#values = values;
    this.#anchors = new PointProjection(body.anchors, pose);
    this.#displacement = networks ? null : new Displacement(body);
    this.#center = meanOf(body.anchors.positions);
    this.#front = normalize(subtract(body.camera.position, this.#center));
  }

  /** Brings `values` to a frame. False: from this side, or in this pose, the texture does not show the body. */
  update(pose: Pose, view: ViewTransform, background: Background): boolean {
    if (!this.#isSeenFromFront(view)) return false;
    const { targets, image, pad } = this.#body;
    const places = this.#anchors.project(pose, view);
    const h = solveHomography(places, targets, this.#homography);
    if (!h || this.#networks?.update(pose, places, h) === false) return false;
    const values = this.#values;
    const side = image + 2 * pad;
    fillRows(values, 0, h);
    values.set(background, 12);
    values[16] = view.width;
    values[17] = view.height;
    values[18] = image / side;
    values[19] = pad / side;
    if (this.#displacement) {
      this.#displacement.update(places, h);
      values.set(this.#displacement.shares, 20);
    }
    return true;
  }

  #isSeenFromFront({ position }: ViewTransform): boolean {
    const x = position[0] - this.#center[0];
    const y = position[1] - this.#center[1];
    const z = position[2] - this.#center[2];
    const along = x * this.#front[0] + y * this.#front[1] + z * this.#front[2];
    return along >= widestView * Math.sqrt(x * x + y * y + z * z);
  }

  draw(pass: GPURenderPassEncoder): void {
    this.#under.draw(pass);
  }

  dispose(): void {
    this.#networks?.dispose();
  }
}

function meanOf(positions: Float32Array): Vec3 {
  const sum = [0, 0, 0];
  positions.forEach((value, i) => {
    sum[i % 3] = (sum[i % 3] as number) + value;
  });
  return sum.map((value) => value / (positions.length / 3)) as unknown as Vec3;
}
