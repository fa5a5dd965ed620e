/** Types of the public API that several layers share. The contract is documented in `docs/api.d.ts`. */

export type Tier = 'A' | 'B' | 'C' | 'D';

/** Where a model comes from. `hf:owner/name/file.gguf` is short for `{ repo, file }`; `store:` and an id is a stored model. */
export type Source =
  | string
  | URL
  | Blob
  | ArrayBuffer
  | { repo: string; file: string; revision?: string };

export type LoadPhase = 'download' | 'verify' | 'repack' | 'upload' | 'compile';

export interface LoadProgress {
  phase: LoadPhase;
  loadedBytes: number;
  totalBytes: number;
  /** True when the bytes come from this browser's own storage. */
  cached: boolean;
  bytesPerSecond: number;
  etaMs: number;
}

export type KvCacheFormat = 'f32' | 'f16' | 'q8_0' | 'q4_0';

export interface AttentionOptions {
  /**
   * Storage of keys and values. `f16` unless told; `f32` doubles the bytes and is exact; `q8_0` and `q4_0` take 34 and 18 bytes of its 64, for
   * heads of a multiple of 32 components, or of 64 with MatryoshkaKV.
   */
  kvCache?: KvCacheFormat;
  /**
   * Mixture-of-Head attention of a model that has a router: how many query heads are on for a token, the shared ones included, or
   * `false` for all of them. Left out: as the model was trained. Other models take `false` alone.
   */
  moh?: MohOption;
  /**
   * TokenSelect: attend to the first, the last and the most asked-for tokens alone, so that long contexts are quick and may be longer
   * than what the model was trained for. `true`: 128 first, 2,048 selected and 512 last ones, or half as many as the model was trained
   * with where that is less. It takes effect where `contextLength` is longer than that. Default: off.
   */
  tokenSelect?: TokenSelectOption;
  /**
   * MatryoshkaKV of a model whose file has bases for it: keys and values are cached at reduced width, so that the cache takes at most
   * this share of what it would take: the nearest budget at or below it that the file has widths for. Default: off.
   */
  matryoshka?: MatryoshkaOption;
}

/** `budget`: the share of an uncompressed cache. */
export type MatryoshkaOption = { budget: number } | false;

/** Tokens that are attended to; `similarity`: the cosine of two queries from which on a selection is used again. */
export type TokenSelectOption =
  | boolean
  | { initial?: number; local?: number; selected?: number; similarity?: number };

export type MohOption = { activeHeads?: number } | false;

export interface LoadOptions {
  signal?: AbortSignal;
  onProgress?: (progress: LoadProgress) => void;
  /** Tokens that the KV cache holds. Default: the model's own, at most 4,096. */
  contextLength?: number;
  /** Keep the weights in IndexedDB. Default true. */
  cache?: boolean;
  /** `sha256-` and the base64 digest of the whole file. */
  integrity?: string;
  /** The storage that floating-point matrices are quantized to on load. Left out: as stored. */
  quantize?: 'q8_0' | 'q4_0';
  attention?: AttentionOptions;
}

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
}

export interface GenerateOptions {
  signal?: AbortSignal;
  /** Default: up to the end of the context. */
  maxTokens?: number;
  /** 0 is greedy. Default: what the model's file recommends (`info.sampling`), else 0.7; so for the four below. */
  temperature?: number;
  /** Keep the K most likely tokens; 0 keeps all. Default 40. */
  topK?: number;
  /** Keep the smallest set of tokens whose probability reaches P. Default 0.95. */
  topP?: number;
  /** Drop tokens less likely than this share of the likeliest. Default 0. */
  minP?: number;
  /** Divides positive and multiplies negative logits of tokens already seen. Default 1 (off). */
  repetitionPenalty?: number;
  /** Same seed, same options, same device: same text. Default: random. */
  seed?: number;
  /** Texts that end the generation; they are not part of the output. */
  stop?: string[];
  ignoreEos?: boolean;
}

/** Options of the sampler that a model's file may recommend. */
export type SamplingDefaults = Required<
  Pick<GenerateOptions, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>
>;

export interface TextEvent {
  type: 'text';
  text: string;
  tokens: number[];
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface GenerationResult {
  text: string;
  tokens: number[];
  finish: FinishReason;
  usage: { promptTokens: number; cachedTokens: number; completionTokens: number };
  timing: { ttftMs: number; prefillTokensPerSecond: number; decodeTokensPerSecond: number };
}

export interface LanguageModelInfo {
  name: string;
  architecture: string;
  /** The storage format that holds most of the weights, in ggml's name: `Q4_0`. */
  quantization: string;
  parameters: number;
  weightBytes: number;
  contextLength: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabSize: number;
  chatTemplate: boolean;
  /** The attention methods in use: `['flash']`. */
  attention: string[];
  /** How answers are drawn where options do not say: `general.sampling.*` of the file, else the usual values. */
  sampling: SamplingDefaults;
  /** What a careful reader should know: an unknown pre-tokenizer, a template that failed to parse. */
  warnings: string[];
}

export interface RuntimeInfo {
  tier: Tier;
  adapter: string;
  /** A software adapter: correct, slow. */
  fallback: boolean;
  features: string[];
  limits: Record<string, number>;
}

export interface RuntimeStats {
  gpuBytes: number;
  buffers: number;
  pipelines: number;
  /** WebGPU calls since the runtime started. */
  calls: {
    dispatches: number;
    submits: number;
    passes: number;
    writeBuffers: number;
    bindGroups: number;
    buffers: number;
  };
}

/** The GPU time of the dispatches of one kernel. */
export interface KernelProfile {
  /** The kernel, its variant and constants: `matvec/subgroup.q4_0[ROWS=4]`. */
  kernel: string;
  dispatches: number;
  totalMs: number;
  /** Bytes of all buffers bound, summed over the dispatches: what a kernel that reads each once moves. */
  boundBytes: number;
}

/** Where the GPU's time went. */
export interface RuntimeProfile {
  /** False: not asked for by `createRuntime({ profile: true })`, or the adapter has no timestamp queries. */
  supported: boolean;
  /** Longest total first. */
  kernels: KernelProfile[];
}

export interface StoredModel {
  id: string;
  name: string;
  bytes: number;
  /** False while a download is unfinished; loading it again resumes. */
  complete: boolean;
  storedAt: number;
}

export interface Support {
  ok: boolean;
  tier: Tier | null;
  adapter: string;
  fallback: boolean;
  missing: string[];
}

export interface DetectorInfo {
  name: string;
  /** `a-yolom`, `yolov8` or `twin-lite-net`. */
  architecture: string;
  parameters: number;
  weightBytes: number;
  /** The size at which frames are looked at, in pixels. */
  width: number;
  height: number;
  /** The classes of its boxes. Empty: it finds no boxes. */
  labels: string[];
  /** The masks it gives. */
  masks: ('drivable' | 'lanes')[];
}

export interface DetectOptions {
  /** Boxes that score less are left out. Default 0.25. */
  threshold?: number;
  /** Of two boxes of a label that overlap by more than this share of their union, the worse is left out. Default 0.45. */
  overlap?: number;
}

export interface DetectedBox {
  /** Upper left corner and size, in pixels of the frame. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** 0 to 1. */
  score: number;
  label: string;
}

/** A mask over the frame: 1 where it applies, else 0; rows from the top. */
export interface Mask {
  width: number;
  height: number;
  data: Uint8Array<ArrayBuffer>;
}

export interface Detection {
  /** Best first. */
  boxes: DetectedBox[];
  /** A mask that the detector does not give (`info.masks`) is empty, 0 × 0. */
  drivable: Mask;
  lanes: Mask;
  timing: { preprocessMs: number; inferMs: number; postMs: number };
}

/** What an attached detector tells of a frame. */
export interface LiveDetection {
  /** The size of the frame; boxes are in its pixels. */
  width: number;
  height: number;
  /** Best first. */
  boxes: DetectedBox[];
  /** With the option `masks`. */
  drivable?: Mask;
  lanes?: Mask;
  /** How this frame came to the GPU. */
  way: FrameWay;
  /** Of the last frame that was timed, two a second. */
  timing: Detection['timing'];
}

/**
 * How a frame comes to the GPU. `import`: the browser gives it as a texture. `copy`: its bytes lie in memory, as a software decoder or a
 * camera left them, and are copied as they are.
 */
export type FrameWay = 'import' | 'copy';

export interface LiveOptions extends DetectOptions {
  /** Give the masks in each result too: they are drawn in any case. Default false. */
  masks?: boolean;
  /** Default: the quicker one, by timing the first frames in both. Frames that cannot be copied are imported all the same. */
  way?: FrameWay;
}

/** A pinhole camera: right-handed, metres, degrees. */
export interface Camera {
  position: readonly [number, number, number];
  target: readonly [number, number, number];
  /** Default: y up. */
  up?: readonly [number, number, number];
  /** Vertical field of view in degrees. */
  fovY: number;
}

/** How the body of an avatar is drawn, where its file has one: as a baked texture, or through its networks. */
export type BodyMethod = 'texture' | 'networks';

export interface LoadAvatarOptions extends Pick<LoadOptions, 'signal' | 'onProgress'> {
  /** Default `texture`. Networks cost a hundred thousand multiplications a pixel, and bend the body more finely. */
  body?: BodyMethod;
}

export interface AvatarInfo {
  splats: number;
  shDegree: number;
  /** Names for `setExpression`; empty for splats without a rig. */
  expressions: string[];
  /** Joints that move splats: names for `setJoint`. */
  joints: string[];
  clips: string[];
  /** The camera that frames the whole: what is used where none is given. */
  camera: Camera;
  /** How its body is drawn where it is seen from the front; null: by splats alone. */
  body: BodyMethod | null;
}

/** Where an avatar stands in a scene. */
export interface Placement {
  /** Metres. Default: the origin. */
  position?: readonly [number, number, number];
  /** A unit quaternion. Default: no turn. */
  rotation?: readonly [x: number, y: number, z: number, w: number];
  /** Default 1. */
  scale?: number;
}

/** What an avatar does while nothing else is asked of it: how it holds its head, where it looks, its brows. */
export type AvatarState = 'idle' | 'listening' | 'thinking' | 'speaking';

/** Expression weights over time, as face trackers record them. */
export interface ExpressionTrack {
  names: readonly string[];
  /** `time` in seconds; left out, frames follow at `fps`. */
  frames: readonly { weights: readonly number[]; time?: number }[];
  /** Default 30. */
  fps?: number;
  /** Turns of the head as rotation vectors in radians, one a frame. */
  head_pose?: readonly (readonly number[])[];
}

/** sRGB-encoded R, G, B in 0..1. */
export type Color = readonly [number, number, number];

/** How splats become pixels: sorted quads, or a compute pass over tiles of 16 × 16 pixels. */
export type RasterMethod = 'quads' | 'tiles';

export interface PictureOptions {
  width: number;
  height: number;
  /** Default: frames the whole head and shoulders from the front. */
  camera?: Camera;
  /** Null, the default, leaves the picture transparent where no splat is. */
  background?: Color | null;
  /** Default: the faster one on this GPU. */
  method?: RasterMethod;
}

export interface ViewStats {
  framesPerSecond: number;
  splats: number;
  /** The one that was faster on this GPU when the view was opened; quads, where tiles had no room for a picture. */
  method: RasterMethod;
  /** Pairs of splat and tile that the last picture had no room for: it lacks what is farthest, until there is. 0: it is complete. */
  dropped: number;
}

export interface MeasureOptions extends PictureOptions {
  /** Frames that the medians are of. Default 30. */
  frames?: number;
  /** So many of the avatar side by side, in one sort. Default 1. */
  copies?: number;
  /** Degrees that the camera goes around its target from frame to frame. Default 0. */
  turn?: number;
}

/** GPU milliseconds of each pass of a frame and of the frame, the median of several. */
export interface FrameTiming {
  method: RasterMethod;
  splats: number;
  ms: Record<string, number>;
  /** Pairs of splat and tile that this GPU has no room for. 0: pictures were complete. */
  dropped: number;
}
