import { VitrailError } from '../errors.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { splatProject } from '../kernels/splat-project.ts';
import { prepareSplatQuads, type SplatQuads } from '../kernels/splat-quads.ts';
import type { RasterMethod } from '../types.ts';
import { BodyLayer, type UploadedBody } from './body-layer.ts';
import type { ViewTransform } from './camera.ts';
import { FrameData } from './frame-data.ts';
import type { SplatGeometry } from './geometry.ts';
import type { Pose } from './pose.ts';
import { RadixSort } from './radix-sort.ts';
import type { StageClock } from './stage-clock.ts';
import { TileRasterizer } from './tile-rasterizer.ts';
import type { Affine } from './vector.ts';

/** Splats in a scene. Their pose is read at each frame; `transform` (row-major 3×4) places them in the world. */
export interface SceneObject {
  geometry: SplatGeometry;
  pose: Pose | null;
  transform?: Affine;
  /** Drawn in place of its last splats where it is alone and seen from the front. */
  body?: UploadedBody | null;
}

/** R, G, B not multiplied by alpha, and alpha, 0..1. */
export type Background = readonly [number, number, number, number];

export interface RendererOptions {
  width: number;
  height: number;
  method: RasterMethod;
  /** Of the textures that are drawn to; tiles need `rgba8unorm`. */
  format: GPUTextureFormat;
  /** Room of tiles for pairs of splat and tile; left out: for what most pictures need. */
  pairs?: number | undefined;
}

/** Options that draw a picture whole which lacked what is farthest. */
export type Remedy = Partial<Pick<RendererOptions, 'method' | 'pairs'>>;

/** The body of the only object. Where it is drawn, the splats that stand for it are not. */
interface BodyParts {
  layer: BodyLayer;
  pose: Pose;
  headCount: number;
}

/** Dispatches that are timed together. */
export interface Stage {
  name: string;
  dispatches: readonly Dispatch[];
}

/** A stage as frames record it: workgroups are counted once, and a pipeline is set where it is another one. */
interface Recording {
  name: string;
  calls: readonly {
    /** Null: that of the call before. */
    pipeline: GPUComputePipeline | null;
    bindGroup: GPUBindGroup;
    workgroups: readonly [number, number, number];
  }[];
}

/**
 * Draws objects of splats with one global sort by depth. All is allocated in `create`; a frame writes one buffer and submits once.
 */
export class SplatRenderer {
  readonly options: RendererOptions;
  readonly #gpu: Gpu;
  readonly #objects: readonly SceneObject[];
  readonly #recordings: readonly Recording[];
  /** Those of frames that show the body. */
  readonly #bodyRecordings: readonly Recording[];
  readonly #frames: FrameData;
  readonly #draw: GPUBuffer;
  readonly #drawStart: GPUBuffer;
  readonly #quads: SplatQuads | null;
  readonly #tiles: TileRasterizer | null;
  readonly #owned: readonly { dispose(): void }[];
  readonly #body: BodyParts | null;
  readonly #total: GPUBuffer;
  readonly #count: number;
  #showsBody = false;

  static async create(
    gpu: Gpu,
    objects: readonly SceneObject[],
    options: RendererOptions,
  ): Promise<SplatRenderer> {
    const resources: { dispose(): void }[] = [];
    try {
      return await SplatRenderer.#create(gpu, objects, options, resources);
    } catch (thrown) {
      for (const resource of resources) resource.dispose();
      const { pairs, ...rest } = options;
      if (pairs === undefined || !isOutOfMemory(thrown)) throw thrown;
      return SplatRenderer.create(gpu, objects, { ...rest, method: 'quads' });
    }
  }

  static async #create(
    gpu: Gpu,
    objects: readonly SceneObject[],
    options: RendererOptions,
    owned: { dispose(): void }[],
  ): Promise<SplatRenderer> {
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = (label: string, bytes: number, usage: number = storage): GPUBuffer => {
      const made = gpu.createBuffer(`splats ${label}`, bytes, usage);
      owned.push({ dispose: () => gpu.destroyBuffer(made) });
      return made;
    };
    const count = objects.reduce((sum, { geometry }) => sum + geometry.count, 0);
    const keyBits = keyBitsFor(objects, count);
    const cache = buffer('cache', Math.max(1, count) * 32);
    const keys = buffer('keys', Math.max(1, count) * 4);
    const total = buffer('total', 16);
    const draw = buffer('draw', 16, storage | GPUBufferUsage.INDIRECT);
    const drawStart = buffer('draw start', 16, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    gpu.write(total, 0, Uint32Array.of(count));
    gpu.write(drawStart, 0, Uint32Array.of(4, 0, 0, 0));
    const frames = new FrameData(gpu, objects, keyBits);
    owned.push(frames);
    const project: Dispatch[] = [];
    for (const [i, { geometry }] of objects.entries()) {
      const { count, shDegree, joints } = geometry;
      const use = { count, shDegree, ...(joints === null ? {} : { joints }) };
      project.push(
        await prepareDispatch(gpu, splatProject, use, {
          ...geometry.buffers,
          frame: frames.frameRange(i),
          ...(joints === null ? {} : { pose: frames.poseRange(i) }),
          cache,
          keys,
          draw,
        }),
      );
    }
    const body = await prepareBody(gpu, objects, frames, options);
    if (body) owned.push(body.layer);
    const sort = await RadixSort.prepare(gpu, {
      label: 'splats',
      capacity: Math.max(1, count),
      bits: keyBits,
      total,
      keys,
    });
    owned.push(sort);
    const shown = { draw, cache, order: sort.values };
    const tiles =
      options.method === 'tiles'
        ? await TileRasterizer.prepare(gpu, { ...shown, splats: count, ...options })
        : null;
    if (tiles) owned.push(tiles);
    const quads = tiles
      ? null
      : await prepareSplatQuads(gpu, options.format, { ...shown, size: frames.size });
    const stages = [
      { name: 'project', dispatches: project },
      { name: 'sort', dispatches: sort.dispatches },
      ...(tiles?.stages ?? []),
    ];
    return new SplatRenderer(gpu, objects, options, {
      stages,
      frames,
      draw,
      drawStart,
      quads,
      tiles,
      owned,
      body,
      total,
      count,
    });
  }

  private constructor(
    gpu: Gpu,
    objects: readonly SceneObject[],
    options: RendererOptions,
    parts: {
      stages: readonly Stage[];
      frames: FrameData;
      draw: GPUBuffer;
      drawStart: GPUBuffer;
      quads: SplatQuads | null;
      tiles: TileRasterizer | null;
      owned: readonly { dispose(): void }[];
      body: BodyParts | null;
      total: GPUBuffer;
      count: number;
    },
  ) {
    this.#gpu = gpu;
    this.#objects = objects;
    this.options = options;
    this.#recordings = parts.stages.map(recordingOf);
    this.#bodyRecordings = [
      ...this.#recordings,
      ...(parts.body?.layer.stages ?? []).map(recordingOf),
    ];
    this.#frames = parts.frames;
    this.#draw = parts.draw;
    this.#drawStart = parts.drawStart;
    this.#quads = parts.quads;
    this.#tiles = parts.tiles;
    this.#owned = parts.owned;
    this.#body = parts.body;
    this.#total = parts.total;
    this.#count = parts.count;
  }

  /** Draws a frame to a texture of the renderer's size and format, colours multiplied by alpha. Poses must be up to date. */
  drawTo(
    texture: GPUTexture,
    view: ViewTransform,
    background: Background,
    after?: (encoder: GPUCommandEncoder) => void,
    clock?: StageClock,
  ): void {
    this.#frames.update(this.#objects, view);
    const body = this.#updateBody(background);
    const behind = body ? transparent : background;
    this.#frames.write();
    this.#tiles?.setBackground(behind);
    this.#gpu.submitRecorded((encoder) => {
      encoder.copyBufferToBuffer(this.#drawStart, 0, this.#draw, 0, 16);
      const recordings = body ? this.#bodyRecordings : this.#recordings;
      let passes = clock
        ? recordApart(encoder, recordings, clock)
        : recordOnePass(encoder, recordings);
      if (this.#tiles) this.#tiles.copyTo(encoder, texture);
      if (this.#quads || body) {
        this.#recordDraws(encoder, texture, behind, body, clock);
        passes += 1;
      }
      clock?.resolve(encoder);
      after?.(encoder);
      return { dispatches: recordings.reduce((sum, { calls }) => sum + calls.length, 0), passes };
    });
    this.#tiles?.readCount();
  }

  /** Pairs of splat and tile that the last picture had no room for, known some frames later. 0: it was whole. */
  get dropped(): number {
    return this.#tiles?.dropped ?? 0;
  }

  /** What another renderer should have, where `dropped` is not 0. */
  get remedy(): Remedy | null {
    return this.#tiles?.remedy ?? null;
  }

  /** Resolves when `dropped` is known. */
  async counted(): Promise<void> {
    await this.#tiles?.counted();
  }

  /** Chooses for this frame: the body as a texture, or its splats. */
  #updateBody(background: Background): BodyParts | null {
    const shows =
      this.#body?.layer.update(this.#body.pose, this.#frames.seen(0), background) ?? false;
    const body = shows ? this.#body : null;
    if (shows !== this.#showsBody) {
      this.#showsBody = shows;
      const drawn = body?.headCount ?? this.#count;
      this.#frames.setDrawn(0, drawn);
      this.#gpu.write(this.#total, 0, Uint32Array.of(drawn));
    }
    return body;
  }

  /** Quads, and the body beneath them or beneath what tiles drew. The background comes with the body. */
  #recordDraws(
    encoder: GPUCommandEncoder,
    texture: GPUTexture,
    [r, g, b, a]: Background,
    body: BodyParts | null,
    clock: StageClock | undefined,
  ): void {
    const pass = encoder.beginRenderPass({
      colorAttachments: [
        {
          view: texture.createView(),
          clearValue: [r * a, g * a, b * a, a],
          loadOp: this.#quads ? 'clear' : 'load',
          storeOp: 'store',
        },
      ],
      ...(clock && this.#quads ? { timestampWrites: clock.stage('quads') } : {}),
    });
    this.#quads?.draw(pass);
    body?.layer.draw(pass);
    pass.end();
  }

  /** Names of the stages that a clock sees. */
  get stageNames(): readonly string[] {
    const names = this.#bodyRecordings.map(({ name }) => name);
    return this.#quads ? [...names, 'quads'] : names;
  }

  dispose(): void {
    for (const resource of this.#owned) resource.dispose();
  }
}

/** The body of the only object there is; of several none is drawn. */
async function prepareBody(
  gpu: Gpu,
  objects: readonly SceneObject[],
  frames: FrameData,
  options: RendererOptions,
): Promise<BodyParts | null> {
  const [object, ...others] = objects;
  if (!object?.body || !object.pose || others.length > 0) return null;
  const { geometry, pose, body } = object;
  const layer = await BodyLayer.prepare(gpu, options, body, pose, {
    under: frames.bodyRoom(0),
    networks: frames.networksRoom(0, body.networkFloats),
  });
  return { layer, pose, headCount: geometry.count - body.body.splats };
}

function isOutOfMemory(thrown: unknown): boolean {
  return thrown instanceof VitrailError && thrown.code === 'gpu-out-of-memory';
}

const transparent: Background = [0, 0, 0, 0];

function recordingOf({ name, dispatches }: Stage): Recording {
  const calls = dispatches.map(({ pipeline, bindGroup, workgroups }, i) => ({
    pipeline: pipeline === dispatches[i - 1]?.pipeline ? null : pipeline,
    bindGroup,
    workgroups: workgroups(1),
  }));
  return { name, calls };
}

/** Gives the number of passes. */
function recordOnePass(encoder: GPUCommandEncoder, recordings: readonly Recording[]): number {
  const pass = encoder.beginComputePass();
  for (const recording of recordings) recordCalls(pass, recording);
  pass.end();
  return 1;
}

/** A pass for each stage, each with its timestamps. */
function recordApart(
  encoder: GPUCommandEncoder,
  recordings: readonly Recording[],
  clock: StageClock,
): number {
  for (const recording of recordings) {
    const pass = encoder.beginComputePass({ timestampWrites: clock.stage(recording.name) });
    recordCalls(pass, recording);
    pass.end();
  }
  return recordings.length;
}

function recordCalls(pass: GPUComputePassEncoder, { calls }: Recording): void {
  for (const { pipeline, bindGroup, workgroups } of calls) {
    if (pipeline) pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
}

/** Enough steps that neighbours seldom share one, and more where a few splats are far from the rest. */
function keyBitsFor(objects: readonly SceneObject[], count: number): number {
  const bits = count <= 2 ** 16 ? 16 : count <= 2 ** 20 ? 20 : 24;
  const spread = Math.max(
    1,
    ...objects.map(({ geometry: { bounds, framed } }) => bounds.radius / framed.radius),
  );
  return spread > 8 ? Math.min(24, bits + 4) : bits;
}
