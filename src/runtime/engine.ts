import { abortedError, throwIfAborted, toVitrailError, VitrailError } from '../errors.ts';
import { Gpu, type GpuOptions } from '../gpu/gpu.ts';
import type {
  LoadAvatarOptions,
  LoadOptions,
  RuntimeInfo,
  RuntimeProfile,
  RuntimeStats,
  Source,
} from '../types.ts';
import type { FindAvatar, SceneMember, ServedAvatar, ServedScene } from './avatar-contract.ts';
import { EngineModel } from './engine-model.ts';
import { loadPart } from './part.ts';
import { type RestorableAvatar, type SplatsPart, splatsPlace } from './splats-part.ts';

export type EngineEvent = 'devicelost' | 'devicerestored';
type Listener = (message: string) => void;

export interface EngineOptions extends GpuOptions {
  /** Where vitrail.text.js and vitrail.splats.js are, unless their parts are there already. */
  textUrl?: string | undefined;
  splatsUrl?: string | undefined;
}

/**
 * The one owner of the GPUDevice. When the device is lost it opens another one and reloads every model from this browser's
 * storage, once a loss; what runs at that moment ends with `gpu-device-lost`, what comes later waits for the reload.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #models = new Set<EngineModel>();
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
  async loadModel(source: Source, options: LoadOptions = {}): Promise<EngineModel> {
    throwIfAborted(options.signal, 'engine/load');
    await this.#restoring;
    this.#checkOpen();
    const model = await EngineModel.load(
      this.#gpu,
      source,
      options,
      () => this.#ready(),
      this.#options.textUrl,
    );
    if (this.#disposed) {
      await model.dispose();
      throw abortedError('engine/load');
    }
    this.#models.add(model);
    model.onDispose(() => this.#models.delete(model));
    return model;
  }

  /** The device, once a lost one is replaced: for extensions, which watch for another one by themselves. */
  async gpu(): Promise<Gpu> {
    await this.#ready();
    return this.#gpu;
  }

  /** Loads splats or an avatar. An abort or a failure leaves nothing on the GPU. */
  async loadAvatar(source: Source, options: LoadAvatarOptions = {}): Promise<RestorableAvatar> {
    await this.#restoring;
    this.#checkOpen();
    const avatar = await this.#splats.openAvatar(this.#gpu, source, options);
    if (this.#disposed) {
      avatar.dispose();
      throw abortedError('engine/load');
    }
    this.#avatars.add(avatar);
    return avatar;
  }

  /** Avatars in one picture. */
  openScene(members: readonly SceneMember[], find: FindAvatar): ServedScene {
    return this.#splats.openScene(members, find);
  }

  get #splats(): SplatsPart {
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
