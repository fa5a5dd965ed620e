import type {
  AvatarCommand,
  AvatarPicture,
  FindAvatar,
  SceneMember,
  ServedAvatar,
  ServedScene,
  ViewOptions,
} from '../runtime/avatar-contract.ts';
import type { ServedModel } from '../runtime/model-contract.ts';
import type {
  AvatarInfo,
  FrameTiming,
  GenerateOptions,
  GenerationResult,
  LanguageModelInfo,
  LoadAvatarOptions,
  LoadOptions,
  MeasureOptions,
  Message,
  PictureOptions,
  RuntimeInfo,
  RuntimeProfile,
  RuntimeStats,
  Source,
  StoredModel,
  Tier,
} from '../types.ts';
import type { VisionCall } from '../vision/vision-call.ts';

/** How the runtime in the worker is set up. Structured-cloneable. */
export interface StartOptions {
  powerPreference?: 'low-power' | 'high-performance';
  maxBufferBytes?: number;
  /** Leave features of better tiers unused: to see what visitors with lesser GPUs see. */
  maxTier?: Tier;
  /** Time every dispatch on the GPU. */
  profile?: boolean;
  /** Where the scripts of the worker's parts are. */
  textUrl?: string | undefined;
  splatsUrl?: string | undefined;
  visionUrl?: string | undefined;
}

/** A source as it crosses to the worker: absolute URLs only, since a worker has no page to be relative to. */
export type WireSource = Exclude<Source, URL>;

/** Load options without what travels through the call's own channel. */
export type LoadSettings = Omit<LoadOptions, 'signal' | 'onProgress'>;
export type GenerateSettings = Omit<GenerateOptions, 'signal'>;

export type DeviceEventName = 'devicelost' | 'devicerestored';

export interface DeviceEvent {
  name: DeviceEventName;
  /** What the browser said; empty for `devicerestored`. */
  message: string;
}

/** A loaded model as the page sees it. */
export interface LoadedModel {
  /** Names the model in later calls; never used again after `disposeModel`. */
  id: number;
  info: LanguageModelInfo;
  /** The tokenizer definition as UTF-8 JSON: moved, not copied, and parsed only where the page wants a tokenizer. */
  tokenizerJson: Uint8Array;
}

/** A loaded avatar as the page sees it. */
export interface LoadedAvatar {
  /** Names the avatar in later calls; never used again after `disposeAvatar`. */
  id: number;
  info: AvatarInfo;
}

/** The calls about avatars; avatar-service.ts answers them. */
export interface AvatarService {
  /** Streams `LoadProgress`. */
  loadAvatar(
    source: WireSource,
    settings: Omit<LoadAvatarOptions, 'signal' | 'onProgress'>,
    channel: MessagePort,
  ): Promise<LoadedAvatar>;
  commandAvatar(avatar: number, command: AvatarCommand): void;
  renderScene(members: SceneMember[], options: PictureOptions): Promise<AvatarPicture>;
  measureScene(members: SceneMember[], options: MeasureOptions): Promise<FrameTiming>;
  /** The port carries `ViewCommand`s one way and `ViewEvent`s the other. */
  attachScene(
    members: SceneMember[],
    canvas: OffscreenCanvas,
    options: ViewOptions,
    port: MessagePort,
  ): void;
  disposeAvatar(avatar: number): void;
}

/**
 * What the worker answers. Each method is one Comlink call; nothing is proxied, so nothing has to be released.
 * Calls that stream or can be aborted take the port of a call channel (call-channel.ts).
 */
export interface RuntimeService extends AvatarService {
  /** The version of the package that the worker was built from. */
  version(): string;
  /** Opens the GPU. The port carries `DeviceEvent`s for as long as the runtime lives. */
  start(options: StartOptions, deviceEvents: MessagePort): Promise<RuntimeInfo>;
  stats(): RuntimeStats;
  profile(): Promise<RuntimeProfile>;
  /** Streams `LoadProgress`. */
  loadModel(source: WireSource, settings: LoadSettings, channel: MessagePort): Promise<LoadedModel>;
  disposeModel(model: number): Promise<void>;
  /** Streams `TextEvent`, and so does `complete`. */
  chat(
    model: number,
    messages: Message[],
    settings: GenerateSettings,
    channel: MessagePort,
  ): Promise<GenerationResult>;
  complete(
    model: number,
    prompt: string | number[],
    settings: GenerateSettings,
    channel: MessagePort,
  ): Promise<GenerationResult>;
  encodeChat(model: number, messages: Message[]): Promise<number[]>;
  embed(model: number, texts: string[], channel: MessagePort): Promise<Float32Array[]>;
  logits(model: number, tokens: number[], first: number): Promise<Float32Array>;
  attended(model: number): Promise<Uint32Array>;
  /** The tokenizer definition of a file, as UTF-8 JSON. */
  loadTokenizer(source: WireSource, channel: MessagePort): Promise<Uint8Array>;
  /** A call about detectors; what it gives is between vision and its client. */
  callVision(call: VisionCall, channel: MessagePort): Promise<unknown>;
  listStored(): Promise<StoredModel[]>;
  deleteStored(id: string): Promise<void>;
  verifyStored(id: string): Promise<boolean>;
  dispose(): Promise<void>;
}

/** The part of the engine that the service serves; `Engine` of `src/runtime` has it. */
export interface ServedEngine {
  readonly info: RuntimeInfo;
  stats(): RuntimeStats;
  profile(): Promise<RuntimeProfile>;
  loadModel(source: WireSource, options: LoadOptions): Promise<ServedModel>;
  callVision(call: VisionCall, signal: AbortSignal): Promise<unknown>;
  loadAvatar(source: WireSource, options: LoadAvatarOptions): Promise<ServedAvatar>;
  disposeAvatar(avatar: ServedAvatar): void;
  openScene(members: readonly SceneMember[], find: FindAvatar): Promise<ServedScene>;
  on(event: DeviceEventName, listener: (message: string) => void): void;
  dispose(): void | Promise<void>;
}

/** What the service is made of; the worker's entry wires it. */
export interface ServiceParts {
  createEngine(options: StartOptions): Promise<ServedEngine>;
  loadTokenizerDefinition(
    source: WireSource,
    signal: AbortSignal,
    textUrl: string | undefined,
  ): Promise<object>;
  store: {
    list(): Promise<StoredModel[]>;
    delete(id: string): Promise<void>;
    verify(id: string): Promise<boolean>;
  };
}
