import { abortedError, throwIfAborted, toVitrailError, VitrailError } from '../errors.ts';
import { Gpu, type GpuOptions } from '../gpu/gpu.ts';
import { readWhole } from '../storage/read-whole.ts';
import { openModel } from '../storage/weight-store.ts';
import { createDetokenizer, createTokenizer } from '../tokenizer/tokenizer.ts';
import type {
  LoadAvatarOptions,
  LoadOptions,
  RuntimeInfo,
  RuntimeProfile,
  RuntimeStats,
  Source,
} from '../types.ts';
import type { VisionCall, VisionPartCall } from '../vision/vision-call.ts';
import type { FindAvatar, SceneMember, ServedAvatar, ServedScene } from './avatar-contract.ts';
import { loadPart } from './part.ts';
import { type RestorableAvatar, type SplatsPart, splatsPlace } from './splats-part.ts';
import { type RestorableModel, type TextCore, type TextPart, textPlace } from './text-part.ts';
import { type VisionPart, visionPlace } from './vision-part.ts';

export type EngineEvent = 'devicelost' | 'devicerestored';
type Listener = (message: string) => void;

export interface EngineOptions extends GpuOptions {
  /** Where the scripts of the parts are, unless the parts are there already. */
  textUrl?: string | undefined;
  splatsUrl?: string | undefined;
  visionUrl?: string | undefined;
}

const textCore: TextCore = { openModel, createTokenizer, createDetokenizer };

/**
 * The one owner of the GPUDevice. When the device is lost it opens another one and reloads every model from this browser's
 * storage, once a loss; what runs at that moment ends with `gpu-device-lost`, what comes later waits for the reload.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #models = new Set<RestorableModel>();
  readonly #avatars = new Set<RestorableAvatar>();
  readonly #listeners: Record<EngineEvent, Set<Listener>> = {
    devicelost: new Set(),
    devicerestored: new Set(),
  };
  #gpu: Gpu;
  /** Settles when a lost device is replaced and its models are back. */
  #restoring: Promise<void> = Promise.resolve();
  #disposed = false;

  static async create(options: EngineOptions = {}): Promise<Engine> {
    return new Engine(await Gpu.create(options), options);
  }

  private constructor(gpu: Gpu, options: EngineOptions) {
    this.#gpu = gpu;
    this.#options = options;
    this.#watch(gpu);
  }

  get info(): RuntimeInfo {
    const { capabilities, device, adapterName } = this.#gpu;
    return {
      tier: capabilities.tier,
      adapter: adapterName,
      fallback: capabilities.software,
      features: [...device.features].sort(),
      limits: limitsOf(device.limits),
    };
  }

  stats(): RuntimeStats {
    return this.#gpu.stats();
  }

  /** GPU time by kernel since the last call. */
  profile(): Promise<RuntimeProfile> {
    return this.#gpu.profile();
  }

  on(event: EngineEvent, listener: Listener): void {
    this.#listeners[event].add(listener);
  }

  /** Loads a language model. An abort or a failure leaves nothing on the GPU. */
  async loadModel(source: Source, options: LoadOptions = {}): Promise<RestorableModel> {
    throwIfAborted(options.signal, 'engine/load');
    await this.#restoring;
    this.#checkOpen();
    const opening = openModel(source, options);
    opening.catch(() => undefined);
    // The header comes while the script does.
    const text = await loadPart<TextPart>(textPlace, this.#options.textUrl);
    const model = await text.loadModel({
      core: textCore,
      gpu: this.#gpu,
      source,
      options,
      opening,
      ready: () => this.#ready(),
    });
    if (this.#disposed) {
      await model.dispose();
      throw abortedError('engine/load');
    }
    this.#models.add(model);
    model.onDispose(() => this.#models.delete(model));
    return model;
  }

  /** Answers a page's call about detectors. */
  async callVision(call: VisionCall, signal: AbortSignal): Promise<unknown> {
    await this.#ready();
    const [given, vision] = await Promise.all([
      call.method === 'load' ? readDetector(call.source, signal) : call,
      loadPart<VisionPart>(visionPlace, this.#options.visionUrl),
    ]);
    throwIfAborted(signal, 'engine/vision');
    return vision.call(this.#gpu, given);
  }

  /** Loads splats or an avatar. An abort or a failure leaves nothing on the GPU. */
  async loadAvatar(source: Source, options: LoadAvatarOptions = {}): Promise<RestorableAvatar> {
    await this.#restoring;
    this.#checkOpen();
    const [bytes, splats] = await Promise.all([
      readWhole(source, {
        ...options,
        fix: 'Pass the address or the File of an avatar or of splats.',
      }),
      this.#splats(),
    ]);
    const avatar = await splats.openAvatar(this.#gpu, bytes, options);
    if (this.#disposed) {
      avatar.dispose();
      throw abortedError('engine/load');
    }
    this.#avatars.add(avatar);
    return avatar;
  }

  /** Avatars in one picture. */
  async openScene(members: readonly SceneMember[], find: FindAvatar): Promise<ServedScene> {
    return (await this.#splats()).openScene(members, find);
  }

  #splats(): Promise<SplatsPart> {
    return loadPart<SplatsPart>(splatsPlace, this.#options.splatsUrl);
  }

  disposeAvatar(avatar: ServedAvatar): void {
    if (this.#avatars.delete(avatar as RestorableAvatar)) avatar.dispose();
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const avatar of this.#avatars) this.disposeAvatar(avatar);
    await Promise.all([...this.#models].map((model) => model.dispose()));
    this.#gpu.dispose();
  }

  /** A request waits here while a lost device is being replaced. */
  async #ready(): Promise<void> {
    this.#checkOpen();
    await this.#restoring;
    this.#gpu.checkAlive();
  }

  #checkOpen(): void {
    if (!this.#disposed) return;
    throw new VitrailError('invalid-argument', 'The runtime is disposed.', {
      where: 'engine',
      fix: 'Make a new one with createRuntime().',
    });
  }

  #watch(gpu: Gpu): void {
    void gpu.lost.then((info) => {
      if (this.#disposed) return;
      this.#restoring = this.#restore(info.message);
      this.#restoring.catch(() => undefined);
    });
  }

  async #restore(message: string): Promise<void> {
    this.#tell('devicelost', message);
    try {
      const gpu = await Gpu.create(this.#options);
      if (this.#disposed) {
        gpu.dispose();
        return;
      }
      this.#gpu = gpu;
      for (const model of this.#models) await model.restore(gpu);
      for (const avatar of this.#avatars) await avatar.restore(gpu);
      this.#watch(gpu);
      this.#tell('devicerestored', '');
    } catch (thrown) {
      throw toVitrailError(thrown, 'engine/restore');
    }
  }

  #tell(event: EngineEvent, message: string): void {
    for (const listener of this.#listeners[event]) listener(message);
  }
}

/** No detector's file is larger. */
const maxDetectorBytes = 256 * 2 ** 20;

async function readDetector(source: Source, signal: AbortSignal): Promise<VisionPartCall> {
  const bytes = await readWhole(source, {
    signal,
    fix: 'Pass the address of a detector’s .safetensors file, or the file itself.',
    maxBytes: maxDetectorBytes,
  });
  return { method: 'load', bytes };
}

/** The limits that decide what can be loaded, in the names of WebGPU. */
function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  return {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
  };
}
