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
  DetectedBox,
  Detection,
  DetectOptions,
  DetectorInfo,
  FrameWay,
  LiveDetection,
  LiveOptions,
  Mask,
} from '../types.ts';
import {
  boxResultBytes,
  createBoxBuffers,
  type DetectionMaps,
  prepareBoxes,
} from './box-pipeline.ts';
import { type DetectorConfig, detectorConfig } from './detector-config.ts';
import { type Frame, FrameBuffer, type FrameSize, frameSize } from './frame-buffer.ts';
import { LiveScreen, type ScreenFrame } from './live-screen.ts';
import { Network } from './network.ts';
import { WeightFile } from './weight-file.ts';

const strides = [8, 16, 32];
/** Timing a frame's parts means waiting for each, so a frame is timed once in these milliseconds. */
const timedEvery = 500;
/** In the order in which their bits stand. */
const maskNames = ['drivable', 'lanes'] as const;
const defaults = { threshold: 0.25, overlap: 0.45 };

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
    const { threshold, overlap } = checkedOptions(options);
    const size = frameSize(frame);
    const marks = [performance.now()];
    const done = async (): Promise<void> => {
      await this.#gpu.device.queue.onSubmittedWorkDone();
      marks.push(performance.now());
    };
    const { buffer, rowPixels, changed } = this.#frame.write(frame, size);
    const settings: FrameSettings = {
      scoreThreshold: threshold,
      overlapThreshold: overlap,
      ...fitFrame(size, this.#network.input, this.#config.fit),
      frameWidth: size.width,
      frameHeight: size.height,
      rowPixels,
      colours: noColours,
    };
    this.#writeSettings(settings);
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
    const { threshold, overlap } = checkedOptions(options);
    const size = frameSize(frame);
    const staging = screen.staging[slot] as GPUBuffer;
    const shown = await screen.take(frame, size, slot, checkedWay(way));
    const settings: FrameSettings = {
      scoreThreshold: threshold,
      overlapThreshold: overlap,
      ...fitFrame(size, this.#network.input, this.#config.fit),
      frameWidth: size.width,
      frameHeight: size.height,
      ...shown.settings,
    };
    this.#writeSettings(settings);
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

  /** Tells the GPU what frames have, unless the one before had the same. */
  #writeSettings(settings: FrameSettings): void {
    const packed = packFrameSettings(settings);
    if (this.#settings?.every((word, i) => word === packed[i])) return;
    this.#settings = packed;
    this.#gpu.write(this.#buffers.settings, 0, packed);
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

/** A bit a pixel for each mask there can be: the screen draws those that the network has not as empty. */
function maskBytes({ height, width }: DetectorConfig): number {
  return (maskNames.length * height * width) / 8;
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

function checkedOptions(options: DetectOptions): Required<DetectOptions> {
  const checked = { ...defaults, ...options };
  for (const [name, value] of Object.entries(checked)) {
    if (typeof value === 'number' && value >= 0 && value <= 1) continue;
    const fix = 'Leave it out, or pass a number from 0 to 1.';
    throw invalidArgument('vision/options', `The option '${name}' is ${value}.`, fix);
  }
  return checked;
}

function checkedWay(way: FrameWay | undefined): FrameWay | undefined {
  if (way === undefined || way === 'import' || way === 'copy') return way;
  const fix = "Leave it out, or pass 'import' or 'copy'.";
  throw invalidArgument('vision/options', `The option 'way' is ${way}.`, fix);
}

function boxesOf(bytes: ArrayBuffer, labels: readonly string[]): DetectedBox[] {
  const [kept = 0] = new Float32Array(bytes, 0, 1);
  return Array.from({ length: kept }, (_, i) => {
    const values = new Float32Array(bytes, 16 + i * 32, 8);
    const [x = 0, y = 0, right = 0, bottom = 0, score = 0, , label = 0] = values;
    return {
      x,
      y,
      width: right - x,
      height: bottom - y,
      score,
      label: labels[label] ?? `${label}`,
    };
  });
}

/** The masks at the size of the frame, each of whose pixels takes the bit below its centre; those that the network has not are empty. */
function masksOf(
  bytes: ArrayBuffer,
  { height, width, masks }: DetectorInfo,
  { scaleX, scaleY, left, top }: FrameSettings,
  frame: FrameSize,
): { drivable: Mask; lanes: Mask } {
  const bits = new Uint8Array(bytes, boxResultBytes);
  const columns = Int32Array.from({ length: frame.width }, (_, x) =>
    Math.min(width - 1, Math.floor(left + (x + 0.5) * scaleX)),
  );
  const mask = (name: (typeof maskNames)[number]): Mask => {
    if (!masks.includes(name)) return { width: 0, height: 0, data: new Uint8Array(0) };
    const firstBit = maskNames.indexOf(name) * height * width;
    const data = new Uint8Array(frame.width * frame.height);
    for (let y = 0; y < frame.height; y += 1) {
      const row = firstBit + Math.min(height - 1, Math.floor(top + (y + 0.5) * scaleY)) * width;
      for (let x = 0; x < frame.width; x += 1) {
        const bit = row + (columns[x] ?? 0);
        data[y * frame.width + x] = ((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1;
      }
    }
    return { width: frame.width, height: frame.height, data };
  };
  return { drivable: mask('drivable'), lanes: mask('lanes') };
}
