import { invalidArgument } from '../errors.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import {
  type FrameSettings,
  fitFrame,
  frameSettingsBytes,
  noColours,
  packFrameSettings,
} from '../kernels/frame-settings.ts';
import { letterbox } from '../kernels/letterbox.ts';
import { maskBits } from '../kernels/mask-bits.ts';
import type {
  Detection,
  DetectOptions,
  DetectorInfo,
  LiveDetection,
  LiveOptions,
} from '../types.ts';
import {
  boxResultBytes,
  createBoxBuffers,
  type DetectionMaps,
  prepareBoxes,
} from './box-pipeline.ts';
import { checkedOptions, checkedWay } from './detect-options.ts';
import { boxesOf, maskBytes, maskNames, masksOf } from './detection-results.ts';
import { type DetectorConfig, detectorConfig } from './detector-config.ts';
import { type Frame, FrameBuffer, type FrameSize, frameSize } from './frame-buffer.ts';
import { LiveScreen, type ScreenFrame } from './live-screen.ts';
import { Network } from './network.ts';
import { WeightFile } from './weight-file.ts';

const strides = [8, 16, 32];
/** Timing a frame's parts means waiting for each, so a frame is timed once in these milliseconds. */
const timedEvery = 500;
interface DetectorBuffers {
  settings: GPUBuffer;
  bits: GPUBuffer;
  staging: GPUBuffer;
  boxes: ReturnType<typeof createBoxBuffers>;
}

/** A detector on the GPU: frame in, boxes and masks out, one small readback a frame. */
export class FrameDetector {
  readonly info: DetectorInfo;
  readonly #gpu: Gpu;
  readonly #config: DetectorConfig;
  readonly #network: Network;
  readonly #frame: FrameBuffer;
  readonly #buffers: DetectorBuffers;
  readonly #owned: readonly GPUBuffer[];
  readonly #post: readonly Dispatch[];
  #pre: readonly Dispatch[] | null = null;
  /** Frames share the buffers: one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #disposed = false;
  #nextTimed = 0;
  /** The settings as the GPU has them. */
  #settings: Uint32Array<ArrayBuffer> | null = null;
  #split: Detection['timing'] = { preprocessMs: 0, inferMs: 0, postMs: 0 };

  /**
   * Throws `model-corrupt` and `model-unsupported` for the file, `gpu-out-of-memory` and other `gpu-…` errors. `given`: what the file
   * holds, where it is no detector that is known by its file.
   */
  static async create(gpu: Gpu, bytes: Uint8Array, given?: DetectorConfig): Promise<FrameDetector> {
    const file = new WeightFile(bytes);
    const config = given ?? detectorConfig(file);
    const graph = config.graph(config.height, config.width);
    const network = await Network.create(gpu, graph, file, gpu.capabilities.f16 ? 'f16' : 'f32');
    const owned: GPUBuffer[] = [];
    const inOut = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const create = (label: string, size: number, usage = inOut): GPUBuffer => {
      const buffer = gpu.createBuffer(label, size, usage);
      owned.push(buffer);
      return buffer;
    };
    try {
      const buffers = createBuffers(create, maskBytes(config));
      const post = await Promise.all(prepareResults(gpu, network, config, buffers));
      return new FrameDetector(gpu, config, network, buffers, owned, post, bytes.byteLength);
    } catch (thrown) {
      for (const buffer of owned) gpu.destroyBuffer(buffer);
      network.dispose();
      throw thrown;
    }
  }

  private constructor(
    gpu: Gpu,
    config: DetectorConfig,
    network: Network,
    buffers: DetectorBuffers,
    owned: readonly GPUBuffer[],
    post: readonly Dispatch[],
    weightBytes: number,
  ) {
    this.#gpu = gpu;
    this.#config = config;
    this.#network = network;
    this.#buffers = buffers;
    this.#owned = owned;
    this.#post = post;
    this.#frame = new FrameBuffer(gpu);
    const { architecture, name, height, width, labels } = config;
    const { parameters } = network;
    const masks = maskNames.filter((mask) => network.has(mask));
    this.info = {
      name,
      architecture,
      parameters,
      weightBytes,
      width,
      height,
      labels: [...labels],
      masks,
    };
  }

  /** Boxes and masks of a frame. Throws `invalid-argument` for a closed or empty frame and `gpu-device-lost`. */
  detect(frame: Frame, options: DetectOptions = {}): Promise<Detection> {
    const result = this.#turn.then(() => this.#detect(frame, options));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #detect(frame: Frame, options: DetectOptions): Promise<Detection> {
    this.#checkOpen();
    const checked = checkedOptions(options);
    const size = frameSize(frame);
    const marks = [performance.now()];
    const done = async (): Promise<void> => {
      await this.#gpu.device.queue.onSubmittedWorkDone();
      marks.push(performance.now());
    };
    const { buffer, rowPixels, changed } = this.#frame.write(frame, size);
    const settings = this.#writeSettings(checked, size, { rowPixels, colours: noColours });
    if (changed || !this.#pre) await this.#planLetterbox(buffer);
    this.#gpu.submit(this.#pre ?? [], 1);
    await done();
    this.#gpu.submit(this.#network.dispatches, 1);
    await done();
    const bytes = await this.#results();
    marks.push(performance.now());
    const [start = 0, ready = 0, inferred = 0, end = 0] = marks;
    return {
      boxes: boxesOf(bytes, this.#config.labels),
      ...masksOf(bytes, this.info, settings, size),
      timing: { preprocessMs: ready - start, inferMs: inferred - ready, postMs: end - inferred },
    };
  }

  /** A screen for `show`. The caller disposes it, once no frame is under way. */
  openScreen(canvas: OffscreenCanvas): Promise<LiveScreen> {
    const { input, storage, arena } = this.#network;
    const { settings, bits, boxes } = this.#buffers;
    const source = { input, storage, arena, settings, bits, result: boxes.result };
    return LiveScreen.create(this.#gpu, source, canvas);
  }

  /**
   * Detects in a frame and draws both on a screen. `slot` chooses the readback: the next frames are submitted while this one is
   * read. Closes the frame. Throws as `detect` does.
   */
  show(
    screen: LiveScreen,
    frame: VideoFrame | ImageBitmap,
    slot: number,
    options: LiveOptions = {},
  ): Promise<LiveDetection> {
    const reading = this.#turn.then(async () => {
      try {
        return await this.#submitShown(screen, frame, slot, options);
      } finally {
        frame.close();
      }
    });
    this.#turn = reading.catch(() => undefined);
    return reading.then(({ read }) => read());
  }

  /** Resolves when all of the frame is submitted; `read` waits for what it gives. */
  async #submitShown(
    screen: LiveScreen,
    frame: VideoFrame | ImageBitmap,
    slot: number,
    { masks = false, way, ...options }: LiveOptions,
  ): Promise<{ read: () => Promise<LiveDetection> }> {
    this.#checkOpen();
    const checked = checkedOptions(options);
    const size = frameSize(frame);
    const staging = screen.staging[slot] as GPUBuffer;
    const shown = await screen.take(frame, size, slot, checkedWay(way));
    const settings = this.#writeSettings(checked, size, shown.settings);
    const { boxes, bits } = this.#buffers;
    const bytes = boxResultBytes + (masks ? maskBytes(this.#config) : 0);
    const parts = [[shown.input], this.#network.dispatches, [...this.#post, shown.count]];
    const finish = (encoder: GPUCommandEncoder): void => {
      shown.draw(encoder);
      encoder.copyBufferToBuffer(boxes.result, 0, staging, 0, boxResultBytes);
      if (masks)
        encoder.copyBufferToBuffer(bits, 0, staging, boxResultBytes, maskBytes(this.#config));
    };
    if (shown.isTrial || shown.began >= this.#nextTimed) {
      this.#nextTimed = shown.began + timedEvery;
      this.#split = await this.#submitTimed(shown, parts, finish);
    } else this.#gpu.submitAll(parts, 1, finish, shown.copy);
    shown.submitted?.();
    const mapped = this.#gpu.readStaging(staging, bytes);
    mapped.catch(() => undefined);
    const read = async (): Promise<LiveDetection> => ({
      ...size,
      boxes: boxesOf(await mapped, this.#config.labels),
      ...(masks ? masksOf(await mapped, this.info, settings, size) : {}),
      way: shown.way,
      timing: this.#split,
    });
    return { read };
  }

  /** Submits preprocessing, network and post-processing one after another, and waits for each. */
  async #submitTimed(
    { began, isTrial, tell, copy }: ScreenFrame,
    parts: readonly (readonly Dispatch[])[],
    finish: (encoder: GPUCommandEncoder) => void,
  ): Promise<Detection['timing']> {
    const marks = [began];
    for (const [i, part] of parts.entries()) {
      const [isFirst, isLast] = [i === 0, i === parts.length - 1];
      this.#gpu.submit(part, 1, isLast ? finish : undefined, isFirst ? copy : undefined);
      await this.#gpu.device.queue.onSubmittedWorkDone();
      marks.push(performance.now());
    }
    const [start = 0, ready = 0, inferred = 0, end = 0] = marks;
    if (isTrial) tell(ready - start);
    return { preprocessMs: ready - start, inferMs: inferred - ready, postMs: end - inferred };
  }

  /** Tells the GPU what a frame has, unless the one before had the same. */
  #writeSettings(
    { threshold, overlap }: Required<DetectOptions>,
    size: FrameSize,
    ofWay: Pick<FrameSettings, 'rowPixels' | 'colours'>,
  ): FrameSettings {
    const settings: FrameSettings = {
      scoreThreshold: threshold,
      overlapThreshold: overlap,
      ...fitFrame(size, this.#network.input, this.#config.fit),
      frameWidth: size.width,
      frameHeight: size.height,
      ...ofWay,
    };
    const packed = packFrameSettings(settings);
    if (!this.#settings?.every((word, i) => word === packed[i])) {
      this.#settings = packed;
      this.#gpu.write(this.#buffers.settings, 0, packed);
    }
    return settings;
  }

  #checkOpen(): void {
    if (this.#disposed) {
      throw invalidArgument('vision/detector', 'The detector is disposed.', 'Load it again.');
    }
    this.#gpu.checkAlive();
  }

  async #planLetterbox(frame: GPUBuffer): Promise<void> {
    this.#pre = null;
    const { arena, storage, input } = this.#network;
    const use = { storage, format: 'RGBX', output: input } as const;
    const { settings } = this.#buffers;
    const buffers = { settings, frame, arena };
    this.#pre = [await prepareDispatch(this.#gpu, letterbox, use, buffers)];
  }

  #results(): Promise<ArrayBuffer> {
    const { boxes, bits, staging } = this.#buffers;
    this.#gpu.submit(this.#post, 1, (encoder) => {
      encoder.copyBufferToBuffer(boxes.result, 0, staging, 0, boxResultBytes);
      encoder.copyBufferToBuffer(bits, 0, staging, boxResultBytes, maskBytes(this.#config));
    });
    return this.#gpu.readStaging(staging, boxResultBytes + maskBytes(this.#config));
  }

  /** Waits for the frame under way, then frees the GPU. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#turn;
    this.#frame.dispose();
    this.#network.dispose();
    for (const buffer of this.#owned) this.#gpu.destroyBuffer(buffer);
  }
}

function createBuffers(
  create: (label: string, bytes: number, usage?: number) => GPUBuffer,
  bytesOfMasks: number,
): DetectorBuffers {
  return {
    settings: create('frame settings', frameSettingsBytes),
    bits: create('mask bits', bytesOfMasks),
    staging: create(
      'detection readback',
      boxResultBytes + bytesOfMasks,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    ),
    boxes: createBoxBuffers((label, bytes) => create(label, bytes)),
  };
}

function prepareResults(
  gpu: Gpu,
  network: Network,
  { labels, height, width }: DetectorConfig,
  { settings, bits, boxes }: DetectorBuffers,
): Promise<Dispatch>[] {
  const { arena, storage: mapStorage } = network;
  const boxMaps: DetectionMaps[] = strides.flatMap((stride, scale) => {
    const [box, score] = [`box${scale}`, `score${scale}`];
    if (!network.has(box)) return [];
    return [{ box: network.output(box), score: network.output(score), stride }];
  });
  const masks = maskNames.flatMap((name, mask) => {
    if (!network.has(name)) return [];
    const firstWord = (mask * height * width) / 32;
    const use = { storage: mapStorage, logits: network.output(name), firstWord };
    return [prepareDispatch(gpu, maskBits, use, { arena, bits })];
  });
  const all = { settings, arena, ...boxes };
  return [...prepareBoxes(gpu, boxMaps, labels.length, mapStorage, all), ...masks];
}
