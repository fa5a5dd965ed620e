import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import type { MapPlace, MapStorage } from '../kernels/feature-map.ts';
import { mapStorageFlags } from '../kernels/feature-map.ts';
import { visionShaders } from '../kernels/vision-shaders.ts';
import { boxResultBytes } from './box-pipeline.ts';
import type { Frame, FrameSize } from './frame-buffer.ts';
import { FrameTexture, type SampledFrame } from './frame-texture.ts';
import { framesUnderWay } from './vision-call.ts';

/** The detector's buffers that a screen reads and writes. */
export interface ScreenSource {
  input: MapPlace;
  storage: MapStorage;
  arena: GPUBuffer;
  settings: GPUBuffer;
  bits: GPUBuffer;
  result: GPUBuffer;
}

interface Pipelines {
  input: GPUComputePipeline;
  picture: GPURenderPipeline;
  boxes: GPURenderPipeline;
}

/** What a frame records: the network's input, then the picture. */
export interface ScreenFrame {
  input: Dispatch;
  /** Behind the post-processing, whose boxes and masks it draws. */
  count: Dispatch;
  /** Draws, unless the display has not shown the picture before this one yet. */
  draw(encoder: GPUCommandEncoder): void;
}

/**
 * A canvas that shows frames and what was found in them. Frames stay on the GPU. It draws once a refresh of the display: frames that
 * come sooner would not be seen, and a picture costs the browser 1.5 ms (docs/performance.md).
 */
export class LiveScreen {
  /** Called at a refresh whose last frame was not drawn: it is due now. */
  onOverdue: () => void = () => undefined;
  /** A readback for each frame under way. */
  readonly staging: readonly GPUBuffer[];
  readonly #gpu: Gpu;
  readonly #source: ScreenSource;
  readonly #canvas: OffscreenCanvas;
  readonly #context: GPUCanvasContext;
  readonly #external: Pipelines;
  readonly #copied: Pipelines;
  readonly #count: Dispatch;
  readonly #arguments: GPUBuffer;
  readonly #boxGroup: GPUBindGroup;
  readonly #sampler: GPUSampler;
  readonly #texture: FrameTexture;
  #isDue = true;
  #isOverdue = false;

  /** Throws `shader-invalid` and `gpu-…` errors. */
  static async create(
    gpu: Gpu,
    source: ScreenSource,
    canvas: OffscreenCanvas,
  ): Promise<LiveScreen> {
    const format = navigator.gpu.getPreferredCanvasFormat();
    const count = await gpu.pipeline(
      'box-count',
      linkShader(visionShaders, 'screen/box-count', {}),
    );
    const [external, copied] = await Promise.all([
      createPipelines(gpu, source, format, ['external']),
      createPipelines(gpu, source, format, []),
    ]);
    const context = canvas.getContext('webgpu');
    if (!context) throw new Error('the canvas gave no WebGPU context');
    context.configure({ device: gpu.device, format, alphaMode: 'opaque' });
    return new LiveScreen(gpu, source, canvas, context, external, copied, count);
  }

  private constructor(
    gpu: Gpu,
    source: ScreenSource,
    canvas: OffscreenCanvas,
    context: GPUCanvasContext,
    external: Pipelines,
    copied: Pipelines,
    count: GPUComputePipeline,
  ) {
    this.#gpu = gpu;
    this.#source = source;
    this.#canvas = canvas;
    this.#context = context;
    this.#external = external;
    this.#copied = copied;
    this.#texture = new FrameTexture(gpu);
    this.#sampler = gpu.device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
    const { result, settings } = source;
    this.#arguments = gpu.createBuffer(
      'box draw',
      16,
      GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT,
    );
    this.#count = this.#dispatch(count, [result, this.#arguments], [1, 1, 1]);
    // The pipelines for both kinds of frame draw boxes alike: one of them does for both.
    this.#boxGroup = gpu.createBindGroup('boxes', copied.boxes, [
      { binding: 0, resource: { buffer: settings } },
      { binding: 4, resource: { buffer: result } },
    ]);
    const bytes = boxResultBytes + source.bits.size;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.staging = Array.from({ length: framesUnderWay }, (_, i) =>
      gpu.createBuffer(`live readback ${i}`, bytes, usage),
    );
  }

  /** Takes a frame; it may be closed once what this gives is submitted. Throws `invalid-argument` and `gpu-limit-exceeded`. */
  take(frame: Frame, size: FrameSize): ScreenFrame {
    const { settings, arena, input: place } = this.#source;
    const { resource, external } = this.#texture.take(frame, size);
    const pipelines = external ? this.#external : this.#copied;
    const groups = [Math.ceil(place.width / 8), Math.ceil(place.height / 8), 1] as const;
    const buffers = [settings, arena];
    const input = this.#dispatch(pipelines.input, buffers, groups, [resource, this.#sampler]);
    return {
      input,
      count: this.#count,
      draw: (encoder) => {
        this.#isOverdue = !this.#isDue;
        if (this.#isDue) this.#draw(encoder, size, pipelines.picture, resource);
      },
    };
  }

  #draw(
    encoder: GPUCommandEncoder,
    { width, height }: FrameSize,
    picture: GPURenderPipeline,
    frame: SampledFrame['resource'],
  ): void {
    this.#awaitRefresh();
    const { settings, bits } = this.#source;
    const pictureGroup = this.#gpu.createBindGroup('picture', picture, [
      { binding: 0, resource: { buffer: settings } },
      { binding: 1, resource: { buffer: bits } },
      { binding: 2, resource: frame },
      { binding: 3, resource: this.#sampler },
    ]);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const view = this.#context.getCurrentTexture().createView();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view, loadOp: 'clear', storeOp: 'store' }],
    });
    pass.setPipeline(picture);
    pass.setBindGroup(0, pictureGroup);
    pass.draw(3);
    pass.setPipeline(this.#copied.boxes);
    pass.setBindGroup(0, this.#boxGroup);
    pass.drawIndirect(this.#arguments, 0);
    pass.end();
  }

  #awaitRefresh(): void {
    // Some browsers have none in workers: each frame is drawn.
    if (!('requestAnimationFrame' in globalThis)) return;
    this.#isDue = false;
    requestAnimationFrame(() => {
      this.#isDue = true;
      if (this.#isOverdue) this.onOverdue();
    });
  }

  #dispatch(
    pipeline: GPUComputePipeline,
    buffers: readonly GPUBuffer[],
    workgroups: readonly [number, number, number],
    others: readonly GPUBindingResource[] = [],
  ): Dispatch {
    const resources = [...buffers.map((buffer) => ({ buffer })), ...others];
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    return {
      label: 'screen',
      boundBytes: buffers.reduce((sum, { size }) => sum + size, 0),
      pipeline,
      bindGroup: this.#gpu.createBindGroup('screen', pipeline, entries),
      workgroups: () => workgroups,
    };
  }

  dispose(): void {
    this.#texture.dispose();
    this.#context.unconfigure();
    for (const buffer of [this.#arguments, ...this.staging]) this.#gpu.destroyBuffer(buffer);
  }
}

async function createPipelines(
  gpu: Gpu,
  { input, storage }: ScreenSource,
  format: GPUTextureFormat,
  flags: readonly string[],
): Promise<Pipelines> {
  const { offset, stride, height, width } = input;
  const size = { WIDTH: width, HEIGHT: height };
  const inputCode = linkShader(visionShaders, 'screen/frame-input', {
    choices: { storage },
    flags: [...flags, ...mapStorageFlags(storage)],
    constants: { ...size, OFFSET: offset, STRIDE: stride },
  });
  const code = linkShader(visionShaders, 'screen/overlay', { flags, constants: size });
  const stages = (name: string) => ({
    vertex: `${name}_vertex`,
    fragment: `${name}_fragment`,
    topology: 'triangle-list' as const,
  });
  const over = { srcFactor: 'one', dstFactor: 'one-minus-src-alpha' } as const;
  const blend = { color: over, alpha: over };
  const [inputPipeline, picture, boxes] = await Promise.all([
    gpu.pipeline('frame-input', inputCode),
    gpu.renderPipeline('picture', code, stages('picture'), { format }),
    gpu.renderPipeline('boxes', code, stages('box'), { format, blend }),
  ]);
  return { input: inputPipeline, picture, boxes };
}
