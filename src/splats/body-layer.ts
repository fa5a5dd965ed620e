import type { AvatarBody } from '../formats/avatar-body.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type BodyUnder, bodyFrameFloats, prepareBodyUnder } from '../kernels/body-under.ts';
import type { BodyMethod } from '../types.ts';
import { Displacement } from './body-displacement.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import { BodyNetworks, NetworkPicture } from './body-networks.ts';
import { fillRows } from './body-pack.ts';
import { BodyTexture } from './body-texture.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import type { Background, Stage } from './renderer.ts';
import { dot, normalize, subtract, type Vec3 } from './vector.ts';

/** The texture was learnt from the front: seen from further aside it looks flat, and the splats of the body are better. */
const widestView = Math.cos((25 * Math.PI) / 180);

/** The body of an avatar on the GPU, as one of both ways needs it. */
export type UploadedBody = BodyTexture | BodyNetworks;

/** Throws `model-corrupt`, `model-unsupported` and `gpu-out-of-memory`. */
export function uploadBody(gpu: Gpu, body: AvatarBody, method: BodyMethod): Promise<UploadedBody> {
  return method === 'networks' ? BodyNetworks.upload(gpu, body) : BodyTexture.upload(gpu, body);
}

/** Draws the body of an avatar beneath its splats: one homography a frame, shares of displacement fields and one triangle, over the baked texture or over what the networks made. */
export class BodyLayer {
  /** What has to run before `draw`. */
  readonly stages: readonly Stage[];
  readonly #gpu: Gpu;
  readonly #body: AvatarBody;
  readonly #networks: NetworkPicture | null;
  readonly #under: BodyUnder;
  readonly #buffer: GPUBuffer;
  readonly #places: Float64Array;
  readonly #displacement: Displacement | null;
  readonly #center: Vec3;
  readonly #front: Vec3;
  readonly #values: Float32Array<ArrayBuffer> = new Float32Array(bodyFrameFloats);

  static async prepare(
    gpu: Gpu,
    target: { format: GPUTextureFormat; width: number; height: number },
    uploaded: UploadedBody,
  ): Promise<BodyLayer> {
    const networks =
      uploaded instanceof BodyNetworks ? await NetworkPicture.prepare(gpu, uploaded, target) : null;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const frame = gpu.createBuffer('body frame', bodyFrameFloats * 4, usage);
    try {
      const source = networks ?? (uploaded as BodyTexture);
      const under = await prepareBodyUnder(gpu, target.format, frame, source);
      return new BodyLayer(gpu, uploaded.body, networks, under, frame);
    } catch (thrown) {
      networks?.dispose();
      gpu.destroyBuffer(frame);
      throw thrown;
    }
  }

  private constructor(
    gpu: Gpu,
    body: AvatarBody,
    networks: NetworkPicture | null,
    under: BodyUnder,
    buffer: GPUBuffer,
  ) {
    this.#gpu = gpu;
    this.#body = body;
    this.#networks = networks;
    this.stages = networks ? [{ name: 'body', dispatches: [networks.dispatch] }] : [];
    this.#under = under;
    this.#buffer = buffer;
    this.#places = new Float64Array(body.anchors.count * 2);
    this.#displacement = networks ? null : new Displacement(body);
    this.#center = meanOf(body.anchors.positions);
    this.#front = normalize(subtract(body.camera.position, this.#center));
  }

  /** Writes a frame. False: from this side, or in this pose, the texture does not show the body. */
  update(pose: Pose, view: ViewTransform, background: Background): boolean {
    if (dot(normalize(subtract(view.position, this.#center)), this.#front) < widestView)
      return false;
    const { anchors, targets, image, pad } = this.#body;
    const h = solveHomography(projectPoints(anchors, pose, view, this.#places), targets);
    if (!h?.every(Number.isFinite)) return false;
    if (this.#networks?.update(pose, this.#places, h) === false) return false;
    const side = image + 2 * pad;
    fillRows(this.#values, h);
    this.#values.set(background, 12);
    this.#values.set([view.width, view.height, image / side, pad / side], 16);
    if (this.#displacement) {
      this.#displacement.update(this.#places, h);
      this.#values.set(this.#displacement.shares, 20);
    }
    this.#gpu.write(this.#buffer, 0, this.#values);
    return true;
  }

  draw(pass: GPURenderPassEncoder): void {
    this.#under.draw(pass);
  }

  dispose(): void {
    this.#networks?.dispose();
    this.#gpu.destroyBuffer(this.#buffer);
  }
}

function meanOf(positions: Float32Array): Vec3 {
  const sum = [0, 0, 0];
  positions.forEach((value, i) => {
    sum[i % 3] = (sum[i % 3] as number) + value;
  });
  return sum.map((value) => value / (positions.length / 3)) as unknown as Vec3;
}
