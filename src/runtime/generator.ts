import { VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Decoder, samplingBytes } from '../models/decoder.ts';
import type { GenerationResult } from '../types.ts';
import { BurstSize, mostBursts } from './burst-size.ts';
import type { GenerationSettings } from './generate-options.ts';
import { GenerationRun, type GeneratorTokenizer, type RunParts } from './generation-run.ts';
import type { Emit } from './model-contract.ts';
import { PassSize } from './pass-size.ts';

/**
 * Bursts of decode steps that wait on the GPU at once, at most. Hardware is kept busy while tokens travel back; a software adapter gets one,
 * since a step takes long there and an abort should not wait for a second.
 */
const burstsInFlight = { hardware: mostBursts, software: 1 } as const;

/** The generations of one model, which run one after the other, in the order of their calls. */
export class Generator {
  readonly #parts: RunParts;
  /** Settles when the last queued piece of work is over. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(gpu: Gpu, decoder: Decoder, tokenizer: GeneratorTokenizer) {
    const bursts = burstsInFlight[gpu.capabilities.software ? 'software' : 'hardware'];
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.#parts = {
      gpu,
      decoder,
      tokenizer,
      staging: Array.from({ length: bursts }, () =>
        gpu.createBuffer('sampled tokens', samplingBytes, usage),
      ),
      passSize: new PassSize(decoder.passRows),
      burstSize: new BurstSize(),
      cached: [],
      drained: Promise.resolve(),
    };
  }

  /**
   * Generates what follows `prompt`. An abort ends it with `finish: 'abort'` and what there is so far.
   * Throws `invalid-argument` for an empty prompt, `context-full`, `gpu-device-lost`.
   */
  generate(
    prompt: readonly number[],
    settings: GenerationSettings,
    signal: AbortSignal | undefined,
    emit: Emit,
  ): Promise<GenerationResult> {
    this.#checkPrompt(prompt);
    return new Promise((resolve, reject) => {
      const waiting = new AbortController();
      // An abort while others are ahead is answered at once; from its turn on the run answers itself.
      signal?.addEventListener('abort', () => resolve(abortedInQueue(prompt)), {
        once: true,
        signal: waiting.signal,
      });
      this.exclusive(() => {
        waiting.abort();
        return new GenerationRun(this.#parts, prompt, settings, signal, emit).finish();
      }).then(resolve, reject);
    });
  }

  /** Runs work on the decoder when all earlier work is over. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined).then(() => this.#parts.drained);
    return result;
  }

  /** Work that writes over the KV cache. */
  overwriting<T>(work: (decoder: Decoder) => Promise<T>): Promise<T> {
    return this.exclusive(() => {
      this.#parts.cached = [];
      return work(this.#parts.decoder);
    });
  }

  /** Frees the staging buffers once the queue is empty. */
  async dispose(): Promise<void> {
    await this.#queue;
    const { gpu, staging } = this.#parts;
    for (const buffer of staging.splice(0)) gpu.destroyBuffer(buffer);
  }

  #checkPrompt(prompt: readonly number[]): void {
    const { contextLength, config } = this.#parts.decoder;
    if (prompt.length === 0) {
      throw new VitrailError('invalid-argument', 'The prompt is empty.', {
        where: 'generate/prompt',
        fix: 'Give at least one token of text.',
      });
    }
    const bad = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= config.vocabSize);
    if (bad !== undefined) {
      throw new VitrailError('invalid-argument', `${bad} is no token of this model.`, {
        where: 'generate/prompt',
        fix: `Token ids are whole numbers from 0 to ${config.vocabSize - 1}.`,
        detail: { token: bad, vocabSize: config.vocabSize },
      });
    }
    if (prompt.length >= contextLength) {
      throw new VitrailError(
        'context-full',
        `The prompt has ${prompt.length} tokens; the context holds ${contextLength}.`,
        {
          where: 'generate/prompt',
          fix: 'Shorten the prompt, drop old messages, or load the model with a larger contextLength.',
          detail: { promptTokens: prompt.length, contextLength },
        },
      );
    }
  }
}

function abortedInQueue(prompt: readonly number[]): GenerationResult {
  return {
    text: '',
    tokens: [],
    finish: 'abort',
    usage: { promptTokens: prompt.length, cachedTokens: 0, completionTokens: 0 },
    timing: { ttftMs: 0, prefillTokensPerSecond: 0, decodeTokensPerSecond: 0 },
  };
}
