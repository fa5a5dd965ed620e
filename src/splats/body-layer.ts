import type { Gpu } from '../gpu/gpu.ts';
import { type BodyUnder, bodyFrameFloats, prepareBodyUnder } from '../kernels/body-under.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import type { BodyTexture } from './body-texture.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import type { Background } from './renderer.ts';
import { dot, normalize, subtract, type Vec3 } from './vector.ts';

/** The texture was learnt from the front: seen from further aside it looks flat, and the splats of the body are better. */
const widestView = Math.cos((25 * Math.PI) / 180);

/** Draws the body of an avatar beneath its splats, on the way without networks: one homography a frame and one triangle. */
export class BodyLayer {
  readonly #gpu: Gpu;
  readonly #body: BodyTexture;
  readonly #under: BodyUnder;
  readonly #buffer: GPUBuffer;
  readonly #places: Float64Array;
  readonly #center: Vec3;
  readonly #front: Vec3;
  readonly #values: Float32Array<ArrayBuffer> = new Float32Array(bodyFrameFloats);

  static async prepare(gpu: Gpu, format: GPUTextureFormat, body: BodyTexture): Promise<BodyLayer> {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const frame = gpu.createBuffer('body frame', bodyFrameFloats * 4, usage);
    try {
      const under = await prepareBodyUnder(gpu, format, { frame, texture: body.texture });
      return new BodyLayer(gpu, body, under, frame);
    } catch (thrown) {
      gpu.destroyBuffer(frame);
      throw thrown;
    }
  }

  private constructor(gpu: Gpu, body: BodyTexture, under: BodyUnder, buffer: GPUBuffer) {
    this.#gpu = gpu;
    this.#body = body;
    this.#under = under;
    this.#buffer = buffer;
    const { anchors, camera } = body.body;
    this.#places = new Float64Array(anchors.count * 2);
    this.#center = meanOf(anchors.positions);
    this.#front = normalize(subtract(camera.position, this.#center));
  }

  /** Writes a frame. False: from this side, or in this pose, the texture does not show the body. */
  update(pose: Pose, view: ViewTransform, background: Background): boolean {
    if (dot(normalize(subtract(view.position, this.#center)), this.#front) < widestView)
      return false;
    const { anchors, targets, image, pad } = this.#body.body;
    const h = solveHomography(projectPoints(anchors, pose, view, this.#places), targets);
    if (!h?.every(Number.isFinite)) return false;
    const side = image + 2 * pad;
    for (let row = 0; row < 3; row += 1) {
      for (let column = 0; column < 3; column += 1) {
        this.#values[row * 4 + column] = h[row * 3 + column] as number;
      }
    }
    this.#values.set(background, 12);
    this.#values.set([view.width, view.height, image / side, pad / side], 16);
    this.#gpu.write(this.#buffer, 0, this.#values);
    return true;
  }

  draw(pass: GPURenderPassEncoder): void {
    this.#under.draw(pass);
  }

  dispose(): void {
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
