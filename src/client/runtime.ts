import { embeddedFiles, embeddedUrls, partUrls } from 'virtual:vitrail-embedded';
import { abortedError, invalidArgument, type VitrailError } from '../errors.ts';
import { WorkerConnection } from '../rpc/connection.ts';
import type { DeviceEvent, LoadedAvatar, LoadedModel } from '../rpc/contract.ts';
import type {
  LoadAvatarOptions,
  LoadOptions,
  LoadProgress,
  RuntimeInfo,
  RuntimeProfile,
  RuntimeStats,
  Source,
} from '../types.ts';
import type { LoadedDetector } from '../vision/vision-call.ts';
import type {
  Avatar,
  Detector,
  DeviceListener,
  LanguageModel,
  ModelStore,
  PlacedAvatar,
  Runtime,
  RuntimeOptions,
  Scene,
  Tokenizer,
} from './api.ts';
import { WorkerAvatar } from './avatar.ts';
import { WorkerDetector } from './detector.ts';
import { tokenizerOfJson, WorkerLanguageModel } from './language-model.ts';
import { Listeners } from './listeners.ts';
import { createModelStore } from './model-store.ts';
import { WorkerScene } from './scene.ts';
import { wireSource } from './source.ts';
import { createWorker, workerStartError } from './worker.ts';

/**
 * Starts a worker and opens the GPU in it. Throws `gpu-unavailable` where there is none (`checkSupport` tells
 * beforehand), `network` or `invalid-argument` where the worker cannot be started.
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const { workerUrl, modelsUrl, visionUrl, splatsUrl, textUrl, ...startOptions } = options;
  const connection = new WorkerConnection(createWorker(workerUrl));
  const devices = new Listeners<DeviceListeners>();
  /** Where the page says, else beside the worker where the page says where that is, else beside this script. */
  const partUrl = (given: string | URL | undefined, part: keyof typeof partUrls) => {
    const beside = workerUrl && new URL(`vitrail.${part}.js`, new URL(workerUrl, pageUrl()));
    const url = given ?? beside ?? partUrls[part];
    return url && new URL(url, pageUrl()).href;
  };
  const info = await connection.start(
    {
      ...startOptions,
      textUrl: partUrl(textUrl, 'text'),
      splatsUrl: partUrl(splatsUrl, 'splats'),
    },
    ({ name, message }) => devices.fire(name, { message }),
    (cause) => workerStartError(workerUrl, cause),
  );
  return new WorkerRuntime(connection, info, devices, {
    modelsUrl,
    visionUrl: partUrl(visionUrl, 'vision'),
  });
}

type DeviceListeners = Record<DeviceEvent['name'], DeviceListener>;

class WorkerRuntime implements Runtime {
  readonly info: RuntimeInfo;
  readonly store: ModelStore;
  readonly #connection: WorkerConnection;
  readonly #devices: Listeners<DeviceListeners>;
  readonly #urls: FileUrls;
  #askedToPersist = false;

  constructor(
    connection: WorkerConnection,
    info: RuntimeInfo,
    devices: Listeners<DeviceListeners>,
    urls: FileUrls,
  ) {
    this.#connection = connection;
    this.#devices = devices;
    this.#urls = urls;
    this.info = info;
    this.store = createModelStore(connection);
  }

  async loadModel(
    source: Source = embeddedSource('model', this.#urls.modelsUrl),
    options: LoadOptions = {},
  ): Promise<LanguageModel> {
    const { signal, onProgress, ...settings } = options;
    const sent = wireSource(source, pageUrl());
    const loaded = await this.#connection.stream<LoadProgress, LoadedModel>(
      (service, port) => service.loadModel(sent, settings, port),
      signal,
      (progress) => {
        if (settings.cache !== false) this.#keepDownload(progress);
        onProgress?.(progress);
      },
    );
    return new WorkerLanguageModel(this.#connection, loaded);
  }

  /** Asks, once, that the browser keep what takes long to download. Nobody waits for the answer. */
  #keepDownload({ phase, cached, totalBytes }: LoadProgress): void {
    if (this.#askedToPersist || phase !== 'download' || cached || totalBytes < worthKeepingBytes) {
      return;
    }
    this.#askedToPersist = true;
    void this.store.persist();
  }

  async loadTokenizer(source: Source, options: { signal?: AbortSignal } = {}): Promise<Tokenizer> {
    const sent = wireSource(source, pageUrl());
    const json = await this.#connection.stream(
      (service, port) => service.loadTokenizer(sent, port),
      options.signal,
    );
    return tokenizerOfJson(json);
  }

  async loadDetector(
    source: Source = embeddedSource('detector', this.#urls.modelsUrl),
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Detector> {
    const url = this.#urls.visionUrl;
    if (url === undefined) throw noVisionUrl();
    const call = { method: 'load', source: wireSource(source, pageUrl()) };
    const loaded = await this.#connection.stream(
      (service, port) => service.extend(url, call, port) as Promise<LoadedDetector>,
      signal,
    );
    return new WorkerDetector(this.#connection, url, loaded);
  }

  async loadAvatar(
    source: Source = embeddedSource('avatar', this.#urls.modelsUrl),
    { signal, onProgress, ...settings }: LoadAvatarOptions = {},
  ): Promise<Avatar> {
    const sent = wireSource(source, pageUrl());
    const loaded = await this.#connection.stream<LoadProgress, LoadedAvatar>(
      (service, port) => service.loadAvatar(sent, settings, port),
      signal,
      onProgress,
    );
    return new WorkerAvatar(this.#connection, loaded);
  }

  createScene(avatars: readonly PlacedAvatar[] = []): Scene {
    return new WorkerScene(this.#connection, avatars);
  }

  stats(): Promise<RuntimeStats> {
    return this.#connection.call((service) => service.stats());
  }

  profile(): Promise<RuntimeProfile> {
    return this.#connection.call((service) => service.profile());
  }

  on(event: 'devicelost' | 'devicerestored', listener: DeviceListener): () => void {
    return this.#devices.add(event, listener);
  }

  async dispose(): Promise<void> {
    if (!this.#connection.isOpen) return;
    await this.#connection.call((service) => service.dispose()).catch(() => {});
    this.#connection.close(abortedError('client/dispose'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Where files are that are loaded later; undefined: beside this script. */
interface FileUrls {
  modelsUrl: string | URL | undefined;
  visionUrl: string | undefined;
}

function noVisionUrl(): VitrailError {
  return invalidArgument(
    'client/detector',
    'This page does not say where vitrail.vision.js is.',
    'Pass visionUrl to createRuntime: the address of vitrail.vision.js of this version.',
  );
}

/** Browsers may ask the visitor before they agree to persist: not for a small file. */
const worthKeepingBytes = 32e6;

/** What comes with the library. Throws `invalid-argument` where this build has nothing or nobody says where it is. */
function embeddedSource(
  kind: keyof typeof embeddedFiles,
  modelsUrl: string | URL | undefined,
): Source {
  const file = embeddedFiles[kind];
  if (file !== null && modelsUrl !== undefined) {
    const folder = new URL(modelsUrl, pageUrl()).href;
    return new URL(file, folder.endsWith('/') ? folder : `${folder}/`).href;
  }
  const beside = embeddedUrls[kind];
  if (beside !== undefined) return beside;
  const [what, load, example] = {
    model: ['model', 'loadModel', 'a URL, a File, or "hf:owner/name/file.gguf"'],
    detector: [
      'detector',
      'loadDetector',
      'a .safetensors file that train/a_yolom/export.py wrote',
    ],
    avatar: ['avatar', 'loadAvatar', 'a URL or a File of splats'],
  }[kind];
  throw invalidArgument(
    'client/source',
    `This build has no embedded ${what}.`,
    `Pass a source to ${load}: ${example}; or tell createRuntime where they are by modelsUrl.`,
  );
}

/** The base of relative URLs; undefined outside a page. */
function pageUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
