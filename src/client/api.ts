import type { VitrailError } from '../errors.ts';
import type {
  AvatarInfo,
  AvatarState,
  Camera,
  Color,
  Detection,
  DetectOptions,
  DetectorInfo,
  ExpressionTrack,
  FrameTiming,
  GenerateOptions,
  GenerationResult,
  LanguageModelInfo,
  LiveDetection,
  LiveOptions,
  LoadAvatarOptions,
  LoadOptions,
  MeasureOptions,
  Message,
  PictureOptions,
  Placement,
  RasterMethod,
  RuntimeInfo,
  RuntimeProfile,
  RuntimeStats,
  Source,
  StoredModel,
  TextEvent,
  Tier,
  ViewStats,
} from '../types.ts';

export interface RuntimeOptions {
  /**
   * Where `vitrail.worker.js` is served, on the page's own origin. Needed only where a strict Content-Security-Policy
   * forbids `blob:` workers; left out, the worker comes inside this script.
   */
  workerUrl?: string | URL;
  /** Which GPU to ask for where there are several. Default `high-performance`. */
  powerPreference?: 'low-power' | 'high-performance';
  /** The largest GPU buffer to make, in bytes. Default: what the adapter allows. */
  maxBufferBytes?: number;
  /** Leave features of better tiers unused: to see what visitors with lesser GPUs see. */
  maxTier?: Tier;
  /**
   * Times every dispatch on the GPU, for `Runtime.profile()` and as a track of the browser's performance panel. Slower: each
   * dispatch gets a pass of its own. Default false.
   */
  profile?: boolean;
  /** Where `vitrail.vision.js` is served, which the worker loads for detectors. Default: beside this script. */
  visionUrl?: string | URL;
  /** The folder that holds the embedded models. Default: `models/` beside this script. */
  modelsUrl?: string | URL;
  /** Where `vitrail.splats.js` is served. Default: beside `workerUrl`, or beside this script. */
  splatsUrl?: string | URL;
  /** Where `vitrail.text.js` is served, which the worker loads for language models. Default: beside `workerUrl`, or beside this script. */
  textUrl?: string | URL;
}

export type DeviceListener = (event: { message: string }) => void;

/** A GPU device in a worker of its own, and the models on it. */
export interface Runtime extends AsyncDisposable {
  readonly info: RuntimeInfo;
  readonly store: ModelStore;
  /** Loads a model and readies it on the GPU. A source that is left out means the embedded model. */
  loadModel(source?: Source, options?: LoadOptions): Promise<LanguageModel>;
  /** The tokenizer of a GGUF file (one without weights will do) or of a `tokenizer.json`. */
  loadTokenizer(source: Source, options?: { signal?: AbortSignal }): Promise<Tokenizer>;
  /** Loads a detector from the safetensors file at the source: A-YOLOM (left out: the embedded one), YOLOv8 or TwinLiteNet. */
  loadDetector(source?: Source, options?: { signal?: AbortSignal }): Promise<Detector>;
  /**
   * Loads splats, static or rigged: PLY, compressed PLY, `.splat`, `.ksplat`, `.spz`, a ZIP with a SOG scene, an avatar of
   * LAM or a head of GaussianAvatars with its mesh. The code for it, vitrail.splats.js, is loaded for the first one. A source that is left out means the embedded avatar. Rejects with `model-corrupt`, `model-unsupported`, `network`.
   */
  loadAvatar(source?: Source, options?: LoadAvatarOptions): Promise<Avatar>;
  /** Several avatars in one picture. */
  createScene(avatars?: readonly PlacedAvatar[]): Scene;
  stats(): Promise<RuntimeStats>;
  /** GPU time by kernel since the last call. Empty without the option `profile`, or where the GPU has no timestamps. */
  profile(): Promise<RuntimeProfile>;
  /**
   * `devicelost`: the browser lost the GPU; what was running ends with `gpu-device-lost`. `devicerestored`: the runtime
   * has opened it anew and reloaded the models. Returns a function that removes the listener.
   */
  on(event: 'devicelost' | 'devicerestored', listener: DeviceListener): () => void;
  /** Frees the GPU and ends the worker. What is under way ends as if aborted. */
  dispose(): Promise<void>;
}

/** What a detector can look at. It stays the caller's: a copy moves to the worker. */
export type DetectableFrame =
  | VideoFrame
  | HTMLVideoElement
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData
  | Blob;

export interface Detector extends AsyncDisposable {
  readonly info: DetectorInfo;
  /** Boxes and masks in pixels of the frame. Calls that overlap are answered one after another. */
  detect(
    frame: DetectableFrame,
    options?: DetectOptions & { signal?: AbortSignal },
  ): Promise<Detection>;
  /**
   * Draws a video, or an image, with what is detected in it on a canvas, which belongs to the worker from then on. Frames that
   * come while the GPU is busy are left out. Throws `invalid-argument` for a canvas in use.
   */
  attach(
    source: HTMLVideoElement | HTMLImageElement,
    canvas: HTMLCanvasElement,
    options?: LiveOptions,
  ): DetectorView;
  dispose(): Promise<void>;
}

/** A detector at work on a video. */
export interface DetectorView {
  /** Takes effect from the next frame on. */
  setOptions(options: LiveOptions): void;
  /**
   * `result` comes a frame late, `end` when the video or the camera's stream ends, `error` once, when detecting has ended. Returns a
   * function that removes the listener.
   */
  on(event: 'result', listener: (detection: LiveDetection) => void): () => void;
  on(event: 'end', listener: () => void): () => void;
  on(event: 'error', listener: (error: VitrailError) => void): () => void;
  stop(): void;
}

/** The models that this browser keeps. */
export interface ModelStore {
  list(): Promise<StoredModel[]>;
  delete(id: string): Promise<void>;
  /** Reads the stored bytes and compares them with their digests. */
  verify(id: string): Promise<boolean>;
  /** Asks the browser not to clear the storage on its own; true when it agreed. */
  persist(): Promise<boolean>;
  estimate(): Promise<{ usageBytes: number; quotaBytes: number }>;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Token ids. With `special`, texts such as `<|im_end|>` become their control token; else they stay text. */
  encode(text: string, options?: { special?: boolean; addBos?: boolean }): number[];
  decode(tokens: readonly number[]): string;
  /** The number of tokens of a text. */
  count(text: string): number;
}

export interface LanguageModel extends AsyncDisposable {
  readonly info: LanguageModelInfo;
  /** Works on the page, without a round trip; built on first use. */
  readonly tokenizer: Tokenizer;
  /** Answers a conversation, in the model's own chat template. Generation starts at once. */
  chat(messages: readonly Message[], options?: GenerateOptions): Generation;
  /** The tokens that `chat` answers for these messages: to count them, or to `complete` them. */
  encodeChat(messages: readonly Message[]): Promise<number[]>;
  /** Continues a text, or tokens. */
  complete(prompt: string | readonly number[], options?: GenerateOptions): Generation;
  /** One vector of hidden size for each text: the mean of the last hidden states, normalized. */
  embed(texts: readonly string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  /** [tokens × vocabSize] next-token logits, for evaluation; those of the tokens from place `first` on alone, where it is given. */
  logits(tokens: readonly number[], options?: { first?: number }): Promise<Float32Array>;
  /**
   * For each token of the context so far, how many layers attend to it when the next one is computed. All do without `attention.tokenSelect`; with it,
   * those that were selected. May be asked while a generation runs.
   */
  attended(): Promise<Uint32Array>;
  /** Ends what the model is doing, as an abort does, and frees its GPU memory. */
  dispose(): Promise<void>;
}

/**
 * A running generation. Iterate it for the text as it comes, await `result` for the end, or do both; leaving the loop
 * early aborts. Several loops each see all events. An abort ends the loop and gives `finish: 'abort'`.
 */
export interface Generation extends AsyncIterable<TextEvent> {
  readonly result: Promise<GenerationResult>;
}

/** Splats on the GPU, which a rig animates where the file has one. */
export interface Avatar extends AsyncDisposable {
  readonly info: AvatarInfo;
  /** Draws to a canvas, which belongs to the worker from then on: a busy page does not make it stutter. */
  attach(canvas: HTMLCanvasElement, options?: AttachOptions): AvatarView;
  /** Weights of expressions by name, usually 0..1; those that are not named stay. Rejects with `invalid-argument`. */
  setExpression(weights: Readonly<Record<string, number>>): Promise<void>;
  /** Turns a joint from its rest or clip pose, in its own frame: x, y, z, w. */
  setJoint(
    name: string,
    rotation: readonly [x: number, y: number, z: number, w: number],
  ): Promise<void>;
  /** Plays a clip of `info.clips` or an expression track; null ends what plays. */
  play(what: string | ExpressionTrack | null, options?: { loop?: boolean }): Promise<void>;
  /** Blinks, small movements of the eyes and of the head, until it is switched off. */
  setIdle(on: boolean): Promise<void>;
  /**
   * Moves the mouth as if it said a text, at a natural pace and without sound, in place of what is being said; null falls silent.
   * Resolves when it begins. While it speaks, the state is `speaking`.
   */
  say(text: string | null): Promise<void>;
  /**
   * Says text that comes in pieces, such as a `Generation`: the mouth hurries, and leaves words out, when they come faster than anyone
   * can speak. Resolves when the last piece came; rejects with what the stream throws.
   */
  speak(stream: AsyncIterable<string | { text: string }>): Promise<void>;
  /** How it holds its head, looks and lifts its brows, blended within 0.4 s. With reduced motion the head keeps still. */
  setState(state: AvatarState): Promise<void>;
  /** A still, colours not multiplied by alpha. */
  render(options: PictureOptions): Promise<ImageData>;
  /** How long the passes of a frame take on the GPU. */
  measure(options: MeasureOptions): Promise<FrameTiming>;
  dispose(): Promise<void>;
}

/** An avatar in a scene. */
export interface PlacedAvatar extends Placement {
  avatar: Avatar;
}

/**
 * Avatars, or splats, in one picture: each with its own pose and place, sorted together, so that the nearer hides the farther. One that is
 * disposed leaves it.
 */
export interface Scene extends AsyncDisposable {
  /** Who is there from now on, and where. Cheap for those who only move. */
  set(avatars: readonly PlacedAvatar[]): void;
  attach(canvas: HTMLCanvasElement, options?: AttachOptions): AvatarView;
  /** A still. Rejects with `invalid-argument` where nobody is there. */
  render(options: PictureOptions): Promise<ImageData>;
  measure(options: MeasureOptions): Promise<FrameTiming>;
  /** Ends its views; the avatars stay. */
  dispose(): Promise<void>;
}

export interface AttachOptions {
  /** Default: `info.camera`, fitted to the canvas. */
  camera?: Camera;
  /** Null, the default, shows the page through. */
  background?: Color | null;
  /** Pixels of the picture a CSS pixel. Default: the display's, at most 2. */
  pixelRatio?: number;
  /** Orbit by pointer, touch and keyboard. Default true. */
  controls?: boolean;
  /** Default: the faster one on this GPU. */
  method?: RasterMethod;
}

/** An avatar on a canvas. */
export interface AvatarView {
  /** Where the camera is now; null: where it frames the whole. */
  readonly camera: Camera | null;
  /** Null: the one that frames the whole. */
  setCamera(camera: Camera | null): void;
  setBackground(background: Color | null): void;
  /** `stats` comes twice a second; `error` once, when drawing has ended. Returns a function that removes the listener. */
  on(event: 'stats', listener: (stats: ViewStats) => void): () => void;
  on(event: 'error', listener: (error: VitrailError) => void): () => void;
  stop(): void;
}
