import { toVitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { sampledTokens } from '../kernels/sample.ts';
import { isLong } from '../kernels/selection-use.ts';
import { type Decoder, samplingBytes } from '../models/decoder.ts';
import type { Detokenizer } from '../tokenizer/tokenizer.ts';
import type { FinishReason, GenerationResult } from '../types.ts';
import type { BurstSize } from './burst-size.ts';
import type { GenerationSettings } from './generate-options.ts';
import type { Emit } from './model-contract.ts';
import { endOfPass, type PassSize } from './pass-size.ts';
import { StopRules } from './stop-rules.ts';

/** What a generation needs of a tokenizer. */
export interface GeneratorTokenizer {
  endIds: ReadonlySet<number>;
  createDetokenizer(): Detokenizer;
}

/** What generations on one model share, and leave to the next one. */
export interface RunParts {
  readonly gpu: Gpu;
  readonly decoder: Decoder;
  readonly tokenizer: GeneratorTokenizer;
  /** One for each burst that may be in flight. */
  readonly staging: GPUBuffer[];
  readonly passSize: PassSize;
  readonly burstSize: BurstSize;
  /** Tokens whose keys and values are in the cache, from position 0. */
  cached: readonly number[];
  /** Settles when steps past the end of the last generation have left the GPU, and their buffers are free again. */
  drained: Promise<unknown>;
}

/** A submitted burst and its tokens, once they have come. */
interface Burst {
  steps: number;
  tokens: Promise<number[]>;
}

/** One generation, from the first chunk of its prompt to its result: prefill in chunks, then decode steps queued ahead of the readback. */
export class GenerationRun {
  readonly #parts: RunParts;
  readonly #prompt: readonly number[];
  readonly #settings: GenerationSettings;
  readonly #emit: Emit;
  readonly #signal: AbortSignal | undefined;
  readonly #aborted: Promise<'aborted'>;
  readonly #stopListening = new AbortController();
  readonly #detokenizer: Detokenizer;
  readonly #stopRules: StopRules;
  readonly #tokens: number[] = [];
  readonly #free: GPUBuffer[];
  /** Bursts on their way back, oldest first. */
  readonly #pending: Burst[] = [];
  readonly #limit: number;
  #text = '';
  #unsentText = '';
  #unsentTokens: number[] = [];
  #submitted = 0;
  #passDoneAt = 0;
  /** A stop text has come: nothing behind it is shown. */
  #stopped = false;

  constructor(
    parts: RunParts,
    prompt: readonly number[],
    settings: GenerationSettings,
    signal: AbortSignal | undefined,
    emit: Emit,
  ) {
    this.#parts = parts;
    this.#prompt = prompt;
    this.#settings = settings;
    this.#emit = emit;
    this.#signal = signal;
    this.#aborted = new Promise((resolve) => {
      const options = { once: true, signal: this.#stopListening.signal };
      if (signal?.aborted) resolve('aborted');
      signal?.addEventListener('abort', () => resolve('aborted'), options);
    });
    this.#detokenizer = parts.tokenizer.createDetokenizer();
    this.#stopRules = new StopRules(settings.stop);
    this.#free = [...parts.staging];
    this.#limit = Math.min(settings.maxTokens, parts.decoder.contextLength - prompt.length);
  }

  async finish(): Promise<GenerationResult> {
    try {
      return await this.#generate();
    } catch (thrown) {
      this.#parts.cached = [];
      throw toVitrailError(thrown, 'generate');
    } finally {
      this.#stopListening.abort();
      // Steps past the end still run. The answer need not wait for them, the next generation must.
      this.#parts.drained = this.#drain();
    }
  }

  async #drain(): Promise<void> {
    await Promise.allSettled(this.#pending.map(({ tokens }) => tokens));
    await this.#parts.gpu.device.queue.onSubmittedWorkDone().catch(() => undefined);
  }

  async #generate(): Promise<GenerationResult> {
    const begun = performance.now();
    const reused = commonPrefix(this.#parts.cached, this.#prompt);
    let finish = await this.#prefill(reused);
    let firstTokenAt = begun;
    let lastTokensAt = begun;
    while (!finish) {
      while (this.#submitted < this.#limit && this.#mayWait()) this.#submitSteps();
      this.#send();
      const burst = this.#pending[0];
      const tokens = await Promise.race([burst?.tokens, this.#aborted]);
      if (!burst || !Array.isArray(tokens)) {
        finish = 'abort';
        break;
      }
      this.#pending.shift();
      const now = performance.now();
      if (this.#tokens.length === 0) firstTokenAt = now;
      else this.#parts.burstSize.adapt(burst.steps, now - lastTokensAt);
      lastTokensAt = now;
      for (const token of tokens) finish ??= this.#accept(token);
    }
    this.#unsentText += this.#rest();
    this.#send();
    return this.#result(finish, reused, begun, firstTokenAt);
  }

  /** Computes the prompt from `reused` on; the last chunk also samples the first token. */
  async #prefill(reused: number): Promise<FinishReason | null> {
    const { decoder, passSize } = this.#parts;
    const { sampler, greedy } = this.#settings;
    const { length } = this.#prompt;
    const { tokenSelect } = decoder.config;
    const isSelecting = tokenSelect !== null && isLong(tokenSelect, length);
    decoder.beginSampling(sampler, sampler.repetitionPenalty === 1 ? [] : this.#prompt);
    let first = reused;
    let before: Promise<void> = Promise.resolve();
    for (;;) {
      if (this.#signal?.aborted) return this.#abortPrefill(first);
      const position = first;
      const chunk = this.#prompt.slice(first, endOfPass(first, length, passSize.rows, isSelecting));
      first += chunk.length;
      if (first === length) {
        this.#read(1, (staging) => decoder.passAndSample(chunk, position, greedy, staging));
        break;
      }
      const done = this.#pass(chunk, position);
      await Promise.race([passSize.isQuick ? before : done, this.#aborted]);
      before = done;
    }
    this.#parts.cached = [...this.#prompt];
    return null;
  }

  /** A pass of the prompt, whose time says how long the next may be. */
  #pass(chunk: readonly number[], position: number): Promise<void> {
    const { decoder, gpu, passSize } = this.#parts;
    const recorded = performance.now();
    decoder.pass(chunk, position);
    const done = gpu.device.queue.onSubmittedWorkDone().then(() => {
      const now = performance.now();
      if (chunk.length > 1) passSize.adapt(now - Math.max(recorded, this.#passDoneAt));
      this.#passDoneAt = now;
    });
    // Who waits for it hears of a lost device; nobody may be waiting any more.
    done.catch(() => undefined);
    return done;
  }

  #abortPrefill(computed: number): FinishReason {
    this.#parts.cached = this.#prompt.slice(0, computed);
    return 'abort';
  }

  /** May one more burst? */
  #mayWait(): boolean {
    return this.#free.length > 0 && this.#pending.length < this.#parts.burstSize.bursts;
  }

  #submitSteps(): void {
    const { decoder, burstSize } = this.#parts;
    const steps = Math.min(burstSize.steps, this.#limit - this.#submitted);
    // The token that the last step samples stands behind all that were submitted before it.
    const position = this.#prompt.length + this.#submitted - 1;
    this.#read(steps, (staging) => decoder.steps(steps, position, this.#settings.greedy, staging));
  }

  #read(steps: number, submit: (staging: GPUBuffer) => void): void {
    const staging = this.#free.pop();
    if (!staging) throw new Error('no staging buffer is free');
    submit(staging);
    const first = this.#submitted;
    this.#submitted += steps;
    const tokens = this.#parts.gpu.readStaging(staging, samplingBytes).then((bytes) => {
      this.#free.push(staging);
      return sampledTokens(new Uint32Array(bytes), first, steps);
    });
    // A loss of the device rejects all of them; the loop sees the first.
    tokens.catch(() => undefined);
    this.#pending.push({ steps, tokens });
  }

  /** Takes a token in. Says why the generation ends, if it does. */
  #accept(token: number): FinishReason | null {
    this.#tokens.push(token);
    this.#unsentTokens.push(token);
    if (this.#parts.tokenizer.endIds.has(token) && !this.#settings.ignoreEos) return 'stop';
    const { text, stopped } = this.#stopRules.push(this.#detokenizer.push(token));
    this.#unsentText += text;
    this.#stopped = stopped;
    if (stopped) return 'stop';
    return this.#tokens.length >= this.#limit ? 'length' : null;
  }

  /** What detokenizer and stop rules still hold back at the end. */
  #rest(): string {
    if (this.#stopped) return '';
    const { text, stopped } = this.#stopRules.push(this.#detokenizer.flush());
    return stopped ? text : text + this.#stopRules.flush();
  }

  /** Sends what came with a burst, behind the submit of another: a page hears of a burst once, and the GPU does not wait for that. */
  #send(): void {
    if (this.#unsentText.length === 0) return;
    this.#text += this.#unsentText;
    this.#emit({ type: 'text', text: this.#unsentText, tokens: this.#unsentTokens });
    this.#unsentText = '';
    this.#unsentTokens = [];
  }

  #result(
    finish: FinishReason,
    reused: number,
    begun: number,
    firstTokenAt: number,
  ): GenerationResult {
    const tokens = this.#tokens;
    // The last token's keys and values may not be computed yet.
    if (tokens.length > 0) this.#parts.cached = [...this.#prompt, ...tokens.slice(0, -1)];
    const ttftMs = tokens.length > 0 ? firstTokenAt - begun : 0;
    const decodeMs = performance.now() - firstTokenAt;
    const prefilled = this.#prompt.length - reused;
    return {
      text: this.#text,
      tokens,
      finish,
      usage: {
        promptTokens: this.#prompt.length,
        cachedTokens: reused,
        completionTokens: tokens.length,
      },
      timing: {
        ttftMs,
        prefillTokensPerSecond: perSecond(prefilled, ttftMs),
        decodeTokensPerSecond: perSecond(tokens.length - 1, decodeMs),
      },
    };
  }
}

function perSecond(count: number, ms: number): number {
  return count > 0 && ms > 0 ? (count * 1000) / ms : 0;
}

/** Tokens at the start that are computed already. The last one of the prompt is always computed anew: it gives the logits. */
function commonPrefix(cached: readonly number[], prompt: readonly number[]): number {
  let length = 0;
  while (length < prompt.length - 1 && cached[length] === prompt[length]) length += 1;
  return length;
}
