// The public interface of `vitrail`. Made by `npm run docs:api` from the build; not to be edited.

// client/api.d.ts

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
export type DeviceListener = (event: {
    message: string;
}) => void;
/** A GPU device in a worker of its own, and the models on it. */
export interface Runtime extends AsyncDisposable {
    readonly info: RuntimeInfo;
    readonly store: ModelStore;
    /** Loads a model and readies it on the GPU. A source that is left out means the embedded model. */
    loadModel(source?: Source, options?: LoadOptions): Promise<LanguageModel>;
    /** The tokenizer of a GGUF file (one without weights will do) or of a `tokenizer.json`. */
    loadTokenizer(source: Source, options?: {
        signal?: AbortSignal;
    }): Promise<Tokenizer>;
    /** Loads a detector from the safetensors file at the source: A-YOLOM (left out: the embedded one), YOLOv8 or TwinLiteNet. */
    loadDetector(source?: Source, options?: {
        signal?: AbortSignal;
    }): Promise<Detector>;
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
export type DetectableFrame = VideoFrame | HTMLVideoElement | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | ImageBitmap | ImageData | Blob;
export interface Detector extends AsyncDisposable {
    readonly info: DetectorInfo;
    /** Boxes and masks in pixels of the frame. Calls that overlap are answered one after another. */
    detect(frame: DetectableFrame, options?: DetectOptions & {
        signal?: AbortSignal;
    }): Promise<Detection>;
    /**
     * Draws a video, or an image, with what is detected in it on a canvas, which belongs to the worker from then on. Frames that
     * come while the GPU is busy are left out. Throws `invalid-argument` for a canvas in use.
     */
    attach(source: HTMLVideoElement | HTMLImageElement, canvas: HTMLCanvasElement, options?: LiveOptions): DetectorView;
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
    estimate(): Promise<{
        usageBytes: number;
        quotaBytes: number;
    }>;
}
export interface Tokenizer {
    readonly vocabSize: number;
    readonly bosId: number | null;
    readonly eosId: number | null;
    /** Token ids. With `special`, texts such as `<|im_end|>` become their control token; else they stay text. */
    encode(text: string, options?: {
        special?: boolean;
        addBos?: boolean;
    }): number[];
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
    embed(texts: readonly string[], options?: {
        signal?: AbortSignal;
    }): Promise<Float32Array[]>;
    /** [tokens × vocabSize] next-token logits, for evaluation; those of the tokens from place `first` on alone, where it is given. */
    logits(tokens: readonly number[], options?: {
        first?: number;
    }): Promise<Float32Array>;
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
    setJoint(name: string, rotation: readonly [x: number, y: number, z: number, w: number]): Promise<void>;
    /** Plays a clip of `info.clips` or an expression track; null ends what plays. */
    play(what: string | ExpressionTrack | null, options?: {
        loop?: boolean;
    }): Promise<void>;
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
    speak(stream: AsyncIterable<string | {
        text: string;
    }>): Promise<void>;
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

// client/chat.d.ts

export interface ChatMessage {
    id: string;
    role: 'user' | 'assistant';
    parts: {
        type: 'text';
        text: string;
    }[];
    /** Of an answer that has ended: why it ended, tokens and times. */
    metadata?: Pick<GenerationResult, 'finish' | 'usage' | 'timing'>;
}
/** submitted: the prompt is being read; streaming: the answer comes; ready and error: a message can be sent. */
export type ChatStatus = 'submitted' | 'streaming' | 'ready' | 'error';
export interface ChatState {
    readonly messages: readonly ChatMessage[];
    readonly status: ChatStatus;
    readonly error: VitrailError | null;
}
export interface ChatOptions {
    /** Who answers. While it is missing, sending fails with `invalid-argument`. */
    model?: LanguageModel | null | undefined;
    /** The system prompt. */
    system?: string | undefined;
    /** Sampler settings and the like. */
    generate?: Omit<GenerateOptions, 'signal'> | undefined;
    /** Gets each finished sentence of an answer: what a polite live region should announce. */
    onSentence?: ((sentence: string) => void) | undefined;
    onFinish?: ((message: ChatMessage) => void) | undefined;
    onError?: ((error: VitrailError) => void) | undefined;
}
/** A conversation with a model: the messages, and what can be done with them. Framework-free; see `vitrail/react`. */
export interface Chat {
    /** May be replaced at any time; takes effect with the next answer. */
    options: ChatOptions;
    /** The same object until something changes. */
    getState(): ChatState;
    /** Returns the function that unsubscribes. */
    subscribe(listener: () => void): () => void;
    /** Resolves when the answer has ended, also after an error, which is then in the state. */
    sendMessage(message: string | {
        text: string;
    }): Promise<void>;
    /** Answers the last user message again. */
    regenerate(): Promise<void>;
    /** Ends the running answer and keeps what is there, be it nothing: an answer without parts. */
    stop(): Promise<void>;
    /** Replaces the conversation; a running answer is stopped. */
    setMessages(messages: readonly ChatMessage[]): void;
    clearError(): void;
}
export declare function createChat(options?: ChatOptions, messages?: readonly ChatMessage[]): Chat;
/** The text of a message. */
export declare function messageText(message: ChatMessage): string;

// client/check-support.d.ts

/** Can this browser run Vitrail, and how fast will it be? Never throws: what is missing stands in the answer. */
export declare function checkSupport(): Promise<Support>;

// client/describe-detections.d.ts

/** `2 vehicles`, for people who listen. Empty: nothing was found. */
export declare function describeDetections(boxes: readonly Pick<DetectedBox, 'label'>[]): string;

// client/follow-chat.d.ts

/** What of an avatar a chat drives. */
export type DrivenAvatar = Pick<Avatar, 'info' | 'say' | 'speak' | 'setState'>;
export interface FollowChatOptions {
    /** An element in which someone types, such as a text field: the avatar listens meanwhile. */
    input?: EventTarget | null;
    onError?: (thrown: unknown) => void;
}
/**
 * Lets an avatar take part in a chat: it listens while someone types, thinks until the answer begins and speaks while it comes. Returns
 * the function that ends it. Splats without expressions do nothing.
 */
export declare function followChat(avatar: DrivenAvatar, chat: Pick<Chat, 'getState' | 'subscribe'>, { input, onError }?: FollowChatOptions): () => void;
/** Turns the states of a chat into what an avatar does. */
export declare class ChatFollower {
    #private;
    constructor(avatar: DrivenAvatar, onError?: (thrown: unknown) => void);
    /** The chat as it is now. */
    show({ status, messages }: ChatState): void;
    /** Someone types, or not any more. */
    listen(on: boolean): void;
    stop(): void;
}

// client/open-camera.d.ts

export interface OpenCameraOptions {
    /** The camera at the back (`environment`, the default) or at the front (`user`), where there are both. */
    facing?: 'environment' | 'user';
}
type Reason = 'insecure' | 'none' | 'denied' | 'busy' | 'ended';
/**
 * A stream of the camera: the browser may ask the visitor, so call it after a click. Throws `camera-unavailable`; `detail.reason` is
 * `insecure`, `none`, `denied` or `busy`.
 */
export declare function openCamera({ facing, }?: OpenCameraOptions): Promise<MediaStream>;
/** For a stream that ends by itself: unplugged, or taken back by the browser, where `detail.reason` is `ended`. */
export declare function cameraError(reason: Reason, cause?: unknown): VitrailError;
export {};

// client/runtime.d.ts

/**
 * Starts a worker and opens the GPU in it. Throws `gpu-unavailable` where there is none (`checkSupport` tells
 * beforehand), `network` or `invalid-argument` where the worker cannot be started.
 */
export declare function createRuntime(options?: RuntimeOptions): Promise<Runtime>;

// errors.d.ts

/** Every way in which Vitrail can fail. `docs/errors.md` has a section for each. */
export declare const errorCodes: readonly ['gpu-unavailable', 'gpu-feature-missing', 'gpu-limit-exceeded', 'gpu-out-of-memory', 'gpu-device-lost', 'shader-invalid', 'model-unsupported', 'model-corrupt', 'tokenizer-unsupported', 'context-full', 'storage-quota', 'storage-corrupt', 'network', 'camera-unavailable', 'aborted', 'invalid-argument', 'internal'];
export type VitrailErrorCode = (typeof errorCodes)[number];
export interface VitrailErrorInit {
    /** The part that failed, as `file-stem/step`: `gguf/header`, `download/resume`. */
    where: string;
    /** What the reader of the message can do about it, as a full sentence. */
    fix: string;
    /** Figures and names that help: `{ neededBytes, availableBytes }`. Structured-cloneable. */
    detail?: Record<string, unknown> | undefined;
    cause?: unknown;
}
/** The one error type that Vitrail throws. It crosses the worker boundary whole. */
export declare class VitrailError extends Error {
    readonly name = "VitrailError";
    readonly code: VitrailErrorCode;
    readonly where: string;
    readonly fix: string;
    readonly detail: Record<string, unknown>;
    constructor(code: VitrailErrorCode, message: string, init: VitrailErrorInit);
}
/** Wraps anything thrown: a `VitrailError` stays as it is, an abort becomes `aborted`, the rest `internal`. */
export declare function toVitrailError(thrown: unknown, where: string): VitrailError;
export declare function abortedError(where: string, cause?: unknown): VitrailError;
/** Throws `aborted` when the signal has fired. */
export declare function throwIfAborted(signal: AbortSignal | undefined, where: string): void;
export declare function invalidArgument(where: string, message: string, fix: string): VitrailError;

// types.d.ts

/** Types of the public API that several layers share. The contract is documented in `docs/api.d.ts`. */
export type Tier = 'A' | 'B' | 'C' | 'D';
/** Where a model comes from. `hf:owner/name/file.gguf` is short for `{ repo, file }`; `store:` and an id is a stored model. */
export type Source = string | URL | Blob | ArrayBuffer | {
    repo: string;
    file: string;
    revision?: string;
};
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
export type MatryoshkaOption = {
    budget: number;
} | false;
/** Tokens that are attended to; `similarity`: the cosine of two queries from which on a selection is used again. */
export type TokenSelectOption = boolean | {
    initial?: number;
    local?: number;
    selected?: number;
    similarity?: number;
};
export type MohOption = {
    activeHeads?: number;
} | false;
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
export type SamplingDefaults = Required<Pick<GenerateOptions, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>>;
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
    usage: {
        promptTokens: number;
        cachedTokens: number;
        completionTokens: number;
    };
    timing: {
        ttftMs: number;
        prefillTokensPerSecond: number;
        decodeTokensPerSecond: number;
    };
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
    timing: {
        preprocessMs: number;
        inferMs: number;
        postMs: number;
    };
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
    frames: readonly {
        weights: readonly number[];
        time?: number;
    }[];
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
