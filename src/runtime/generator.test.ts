import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Gpu } from '../gpu/gpu.ts';
import { sampledRing } from '../kernels/sample.ts';
import type { Decoder } from '../models/decoder.ts';
import type { TextEvent } from '../types.ts';
import { generationSettings } from './generate-options.ts';
import { Generator } from './generator.ts';
import { samplingDefaults } from './sampling-options.ts';

/** A GPU that answers when it is told to: its n-th token is n. */
class SlowGpu {
  readonly capabilities = { software: false };
  readonly device = { queue: { onSubmittedWorkDone: async () => undefined } };
  readonly log: string[] = [];
  readonly #reads: (() => void)[] = [];
  #sampled = 0;

  get waiting(): number {
    return this.#reads.length;
  }

  createBuffer(): object {
    return {};
  }

  /** A decoder that samples as many tokens as it is asked for. */
  decoder(): object {
    return {
      passRows: 32,
      contextLength: 1024,
      config: { vocabSize: 1024, tokenSelect: null },
      beginSampling: () => undefined,
      passAndSample: () => this.#sample('prompt', 1),
      steps: (count: number) => this.#sample('steps', count),
    };
  }

  readStaging(): Promise<ArrayBuffer> {
    const sampled = this.#sampled;
    const ring = new Uint32Array(sampledRing);
    for (let i = Math.max(0, sampled - sampledRing); i < sampled; i += 1) ring[i % sampledRing] = i;
    return new Promise((resolve) => this.#reads.push(() => resolve(ring.buffer)));
  }

  /** The oldest submit is done; resolves when the host has seen it. */
  async answer(): Promise<void> {
    this.#reads.shift()?.();
    await new Promise((done) => setTimeout(done, 0));
  }

  #sample(what: string, count: number): void {
    this.log.push(`${what} ${count}`);
    this.#sampled += count;
  }
}

function generatorOn(gpu: SlowGpu): Generator {
  const createDetokenizer = () => ({ push: (id: number) => `${id} `, flush: () => '' });
  const tokenizer = { endIds: new Set<number>(), createDetokenizer };
  return new Generator(gpu as unknown as Gpu, gpu.decoder() as unknown as Decoder, tokenizer);
}

describe('Generator', () => {
  beforeEach(() => {
    vi.stubGlobal('GPUBufferUsage', { MAP_READ: 1, COPY_DST: 8 });
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('has bursts under way, which grow, and tells of each once', async () => {
    const gpu = new SlowGpu();
    const events: TextEvent[] = [];
    const emit = (event: TextEvent) => {
      events.push(event);
      gpu.log.push(`event of ${event.tokens.length}`);
    };
    const settings = generationSettings(
      { maxTokens: 40 },
      samplingDefaults({ metadata: new Map() }),
    );
    const result = generatorOn(gpu).generate([1, 2, 3], settings, undefined, emit);
    await new Promise((done) => setTimeout(done, 0));
    expect(gpu.log).toEqual(['prompt 1', 'steps 1']);
    await gpu.answer();
    const waiting: number[] = [];
    while (gpu.waiting > 0) {
      waiting.push(gpu.waiting);
      vi.advanceTimersByTime(1);
      await gpu.answer();
    }
    expect(Math.max(...waiting)).toBe(4);
    const { tokens, text } = await result;
    expect(tokens).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(events.flatMap((event) => event.tokens)).toEqual(tokens);
    expect(events.map((event) => event.text).join('')).toBe(text);
    // What takes the place of a burst is submitted before the page hears of it.
    expect(gpu.log).toEqual([
      ...['prompt 1', 'steps 1', 'steps 1', 'event of 1'],
      ...['steps 2', 'steps 2', 'steps 2', 'event of 1', 'steps 4', 'event of 1'],
      ...['steps 4', 'event of 2', 'steps 4', 'event of 2', 'steps 4', 'event of 2'],
      ...['steps 4', 'event of 4', 'steps 4', 'event of 4', 'steps 4', 'event of 4'],
      ...['steps 3', 'event of 4', 'event of 4', 'event of 4', 'event of 4', 'event of 3'],
    ]);
  });
});
