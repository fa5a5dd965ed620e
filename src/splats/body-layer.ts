import type { Gpu } from '../gpu/gpu.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import { splatShaders } from '../kernels/splat-shaders.ts';
import { projectPoints, solveHomography } from './body-homography.ts';
import type { BodyTexture } from './body-texture.ts';
import type { ViewTransform } from './camera.ts';
import type { Pose } from './pose.ts';
import type { Background } from './renderer.ts';
import { dot, normalize, subtract, type Vec3 } from './vector.ts';

const bindings = `@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var body: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;`;

const frameFloats = 20;
/** The texture was learnt from the front: seen from further aside it looks flat, and the splats of the body are better. */
const widestView = Math.cos((40 * Math.PI) / 180);

/** The WGSL of the body beneath the splats. */
export function bodyUnderCode(): string {
  return linkShader(splatShaders, 'splats/body-under', {}, bindings);
}

/** Draws the body of an avatar beneath its splats, on the way without networks: one homography a frame and one triangle. */
export class BodyLayer {
  readonly #gpu: Gpu;
  readonly #body: BodyTexture;
  readonly #pipeline: GPURenderPipeline;
  readonly #bindGroup: GPUBindGroup;
  readonly #buffer: GPUBuffer;
  readonly #places: Float64Array;
  readonly #center: Vec3;
  readonly #front: Vec3;
  readonly #values: Float32Array<ArrayBuffer> = new Float32Array(frameFloats);

  static async prepare(gpu: Gpu, format: GPUTextureFormat, body: BodyTexture): Promise<BodyLayer> {
    // Beneath what is there: a pixel gets what its alpha leaves open.
    const under: GPUBlendComponent = {
      srcFactor: 'one-minus-dst-alpha',
      dstFactor: 'one',
      operation: 'add',
    };
    const pipeline = await gpu.renderPipeline(
      `body-under/${format}`,
      bodyUnderCode(),
      { vertex: 'corner', fragment: 'pixel', topology: 'triangle-list' },
      { format, blend: { color: under, alpha: under } },
    );
    return new BodyLayer(gpu, body, pipeline);
  }

  private constructor(gpu: Gpu, body: BodyTexture, pipeline: GPURenderPipeline) {
    this.#gpu = gpu;
    this.#body = body;
    this.#pipeline = pipeline;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#buffer = gpu.createBuffer('body frame', frameFloats * 4, usage);
    const sampler = gpu.device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
    this.#bindGroup = gpu.createBindGroup('body-under', pipeline, [
      { binding: 0, resource: { buffer: this.#buffer } },
      { binding: 1, resource: body.texture.createView() },
      { binding: 2, resource: sampler },
    ]);
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
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#bindGroup);
    pass.draw(3);
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
