import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { linkShader, type ShaderOptions } from '../gpu/wgsl-linker.ts';
import type { MapPlace, MapStorage } from '../kernels/feature-map.ts';
import { mapStorageFlags } from '../kernels/feature-map.ts';
import { type FrameFormat, frameOptions } from '../kernels/frame-format.ts';
import { noColours } from '../kernels/frame-settings.ts';
import { visionShaders } from '../kernels/vision-shaders.ts';
import type { FrameWay } from '../types.ts';
import { boxResultBytes } from './box-pipeline.ts';
import type { Frame, FrameSize } from './frame-buffer.ts';
import { type CopiedFrame, FramePlanes } from './frame-planes.ts';
import { FrameTexture } from './frame-texture.ts';
import { FrameWays } from './frame-ways.ts';
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
  way: FrameWay;
  /** When it was taken, in milliseconds. */
  began: number;
  /** Its way is to be chosen: `tell` wants the milliseconds from `began` to the end of `input`. */
  isTrial: boolean;
  tell(ms: number): void;
  /** What `input` and the picture have to be told of it. */
  settings: CopiedFrame['settings'];
  /** Belongs before `input`. */
  copy?: CopiedFrame['copy'];
  /** To be called once all of it is submitted. */
  submitted?: CopiedFrame['submitted'];
  input: Dispatch;
  /** Behind the post-processing, whose boxes and masks it draws. */
  count: Dispatch;
  /** Draws, unless the display has not shown the picture before this one yet. */
  draw(encoder: GPUCommandEncoder): void;
}

/** What draws a frame beneath its masks. */
interface Picture {
  pipeline: GPURenderPipeline;
  bindGroup: GPUBindGroup;
}

/**
 * A canvas that shows frames and what was found in them. It draws once a refresh of the display: frames that
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
  readonly #format: GPUTextureFormat;
  readonly #texture: FrameTexture;
  readonly #planes: FramePlanes;
  readonly #ways = new FrameWays();
  #planesPicture: (Picture & { buffer: GPUBuffer }) | null = null;
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
    return new LiveScreen(gpu, source, canvas, context, format, external, copied, count);
  }

  private constructor(
    gpu: Gpu,
    source: ScreenSource,
    canvas: OffscreenCanvas,
    context: GPUCanvasContext,
    format: GPUTextureFormat,
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
    this.#format = format;
    this.#texture = new FrameTexture(gpu);
    this.#planes = new FramePlanes(gpu, source);
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

  /**
   * Takes a frame; it may be closed once what this gives is submitted. `slot`: of the frames under way. Throws `invalid-argument` and
   * `gpu-…` errors.
   */
  async take(frame: Frame, size: FrameSize, slot: number, asked?: FrameWay): Promise<ScreenFrame> {
    const form = this.#planes.formOf(frame);
    const { way, isTrial } = this.#ways.next(form?.format ?? null, asked);
    const tell = (ms: number): void => this.#ways.tell(way, ms);
    if (form && way === 'copy') {
      const picture = await this.#pictureOfPlanes(form.format, size);
      const began = performance.now();
      const copied = await this.#planes.take(frame as VideoFrame, form.colours, slot);
      const shown = { way, began, isTrial, tell, count: this.#count };
      if (copied) return { ...shown, ...copied, draw: this.#drawing(size, () => picture) };
      this.#ways.refuse();
    }
    if (!isTrial) this.#closePlanes();
    return { ...this.#takeTexture(frame, size), isTrial: isTrial && way === 'import', tell };
  }

  #takeTexture(frame: Frame, size: FrameSize): Omit<ScreenFrame, 'isTrial' | 'tell'> {
    const began = performance.now();
    const { settings, arena, input: place, bits } = this.#source;
    const { resource, external } = this.#texture.take(frame, size);
    const { input, picture: pipeline } = external ? this.#external : this.#copied;
    const groups = [Math.ceil(place.width / 8), Math.ceil(place.height / 8), 1] as const;
    const sampled = [resource, this.#sampler];
    const picture = (): Picture => {
      const resources = [{ buffer: settings }, { buffer: bits }, ...sampled];
      return { pipeline, bindGroup: this.#pictureGroup(pipeline, resources) };
    };
    return {
      way: 'import',
      began,
      settings: { rowPixels: size.width, colours: noColours },
      input: this.#dispatch(input, [settings, arena], groups, sampled),
      count: this.#count,
      draw: this.#drawing(size, picture),
    };
  }

  /** What draws frames in memory; made anew where they are of another kind. */
  async #pictureOfPlanes(format: FrameFormat, size: FrameSize): Promise<Picture> {
    const buffer = await this.#planes.open(format, size);
    if (this.#planesPicture?.buffer === buffer) return this.#planesPicture;
    const { settings, bits, input } = this.#source;
    const code = linkOverlay(input, frameOptions(format), ['stored']);
    const pipeline = await pictureOf(this.#gpu, code, this.#format);
    const resources = [settings, bits, buffer].map((buffer) => ({ buffer }));
    const bindGroup = this.#pictureGroup(pipeline, resources);
    this.#planesPicture = { pipeline, bindGroup, buffer };
    return this.#planesPicture;
  }

  #pictureGroup(
    pipeline: GPURenderPipeline,
    resources: readonly (BufferRange | GPUBindingResource)[],
  ): GPUBindGroup {
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    return this.#gpu.createBindGroup('picture', pipeline, entries);
  }

  #drawing(size: FrameSize, picture: () => Picture): ScreenFrame['draw'] {
    return (encoder) => {
      this.#isOverdue = !this.#isDue;
      if (this.#isDue) this.#draw(encoder, size, picture());
    };
  }

  #draw(
    encoder: GPUCommandEncoder,
    { width, height }: FrameSize,
    { pipeline, bindGroup }: Picture,
  ): void {
    this.#awaitRefresh();
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const view = this.#context.getCurrentTexture().createView();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view, loadOp: 'clear', storeOp: 'store' }],
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
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

  #closePlanes(): void {
    this.#planes.dispose();
    this.#planesPicture = null;
  }

  dispose(): void {
    this.#texture.dispose();
    this.#closePlanes();
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
  const inputCode = linkShader(visionShaders, 'screen/frame-input', {
    choices: { storage },
    flags: [...flags, ...mapStorageFlags(storage)],
    constants: { WIDTH: width, HEIGHT: height, OFFSET: offset, STRIDE: stride },
  });
  const code = linkOverlay(input, { flags }, []);
  const over = { srcFactor: 'one', dstFactor: 'one-minus-src-alpha' } as const;
  const blend = { color: over, alpha: over };
  const [inputPipeline, picture, boxes] = await Promise.all([
    gpu.pipeline('frame-input', inputCode),
    pictureOf(gpu, code, format),
    gpu.renderPipeline('boxes', code, stages('box'), { format, blend }),
  ]);
  return { input: inputPipeline, picture, boxes };
}

function linkOverlay(
  { width, height }: MapPlace,
  { choices = {}, flags = [] }: ShaderOptions,
  more: readonly string[],
): string {
  const constants = { WIDTH: width, HEIGHT: height };
  return linkShader(visionShaders, 'screen/overlay', {
    choices,
    flags: [...flags, ...more],
    constants,
  });
}

function pictureOf(gpu: Gpu, code: string, format: GPUTextureFormat): Promise<GPURenderPipeline> {
  return gpu.renderPipeline('picture', code, stages('picture'), { format });
}

function stages(name: string): {
  vertex: string;
  fragment: string;
  topology: GPUPrimitiveTopology;
} {
  return { vertex: `${name}_vertex`, fragment: `${name}_fragment`, topology: 'triangle-list' };
}
