// As the worker has it once its script is loaded.
import '../../workers/text.part.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { VitrailError } from '../errors.ts';
import { fetchFile } from '../testing/data.ts';
import type { GenerateOptions, LoadProgress, Message, TextEvent } from '../types.ts';
import { Engine } from './engine.ts';
import type { RestorableModel } from './text-part.ts';

const greedy: GenerateOptions = { temperature: 0, ignoreEos: true, maxTokens: 12 };
const hello: Message[] = [{ role: 'user', content: 'Hello there' }];
const load = { contextLength: 128, cache: false } as const;

async function fixture(name: string): Promise<ArrayBuffer> {
  return (await fetchFile(`/e2e/fixtures/models/${name}.gguf`)).buffer;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'fine',
    (thrown: VitrailError) => thrown.code,
  );
}

const ignore = (): void => undefined;

/** Of all tests that need none of their own: an engine compiles its shaders once, which takes seconds on a software adapter. */
let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create();
});
afterAll(() => engine.dispose());

describe('a model of the engine', () => {
  let model: RestorableModel;
  beforeAll(async () => {
    model = await engine.loadModel(await fixture('qwen3'), load);
  });
  afterAll(() => model.dispose());

  it('describes itself', () => {
    expect(model.info).toMatchObject({
      architecture: 'qwen3',
      quantization: 'F32',
      layers: 3,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      vocabSize: 260,
      contextLength: 128,
      chatTemplate: false,
    });
  });

  it('streams what it answers, and counts', async () => {
    const events: TextEvent[] = [];
    const result = await model.chat(hello, greedy, (event) => events.push(event));
    expect(events.map(({ text }) => text).join('')).toBe(result.text);
    expect(result.finish).toBe('length');
    expect(result.usage.completionTokens).toBe(12);
    expect(result.tokens).toHaveLength(12);
    expect(result.timing.ttftMs).toBeGreaterThan(0);
    expect(result.timing.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  it('tells the tokens of a conversation, and goes on from them as it answers it', async () => {
    const tokens = model.encodeChat(hello);
    const answered = await model.chat(hello, greedy, ignore);
    expect(answered.usage.promptTokens).toBe(tokens.length);
    expect((await model.complete(tokens, greedy, ignore)).tokens).toEqual(answered.tokens);
    expect(() => model.encodeChat([])).toThrow('at least one message');
  });

  it('does not compute an unchanged prefix again, and answers alike', async () => {
    const first = await model.chat(hello, greedy, ignore);
    const longer: Message[] = [...hello, { role: 'assistant', content: 'Hi' }, ...hello];
    const second = await model.chat(longer, greedy, ignore);
    expect(second.usage.cachedTokens).toBeGreaterThan(20);
    expect(second.usage.cachedTokens).toBeLessThan(second.usage.promptTokens);
    const again = await model.chat(hello, greedy, ignore);
    expect(again.usage.cachedTokens).toBe(again.usage.promptTokens - 1);
    expect(again.tokens).toEqual(first.tokens);
  });

  it('repeats a seed exactly', async () => {
    const sampled = { ...greedy, temperature: 1.5, topK: 0, topP: 1 };
    const [a, b, c] = [
      await model.chat(hello, { ...sampled, seed: 1 }, ignore),
      await model.chat(hello, { ...sampled, seed: 1 }, ignore),
      await model.chat(hello, { ...sampled, seed: 2 }, ignore),
    ];
    expect(b.tokens).toEqual(a.tokens);
    expect(c.tokens).not.toEqual(a.tokens);
  });

  it('finishes two generations at once, one after the other', async () => {
    const other: Message[] = [{ role: 'user', content: 'Something else' }];
    const alone = [
      await model.chat(hello, greedy, ignore),
      await model.chat(other, greedy, ignore),
    ];
    const together = await Promise.all([
      model.chat(hello, greedy, ignore),
      model.chat(other, greedy, ignore),
    ]);
    expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
  });

  it('stops at a stop text', async () => {
    const whole = await model.chat(hello, { ...greedy, maxTokens: 40 }, ignore);
    const stop = whole.text.slice(6, 9);
    const cut = await model.chat(hello, { ...greedy, maxTokens: 40, stop: [stop] }, ignore);
    expect(cut.finish).toBe('stop');
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
  });

  it('ends with the context', async () => {
    const prompt = Array.from({ length: 120 }, (_, i) => i);
    const result = await model.complete(prompt, { ...greedy, maxTokens: 99 }, ignore);
    expect(result.finish).toBe('length');
    expect(result.usage.completionTokens).toBe(8);
  });

  it('aborts a running and a waiting generation at once, and stays usable', async () => {
    const controller = new AbortController();
    const endless = { ...greedy, maxTokens: 100, signal: controller.signal };
    const waiting = new AbortController();
    let abortedAt = 0;
    const running = model.chat(hello, endless, () => {
      abortedAt ||= performance.now();
      controller.abort();
    });
    const queued = model.chat(hello, { ...greedy, signal: waiting.signal }, ignore);
    await new Promise((resolve) => setTimeout(resolve, 1));
    waiting.abort();
    expect((await queued).finish).toBe('abort');
    const result = await running;
    expect(performance.now() - abortedAt).toBeLessThan(100);
    expect(result.finish).toBe('abort');
    expect(result.tokens.length).toBeLessThan(100);
    expect((await model.chat(hello, greedy, ignore)).finish).toBe('length');
  });

  it('gives logits and embeddings', async () => {
    const logits = await model.logits([1, 2, 3]);
    expect(logits).toHaveLength(3 * 260);
    const [same, alike, other] = await model.embed(['A small boat', 'A small boat', 'Zzz 99']);
    expect(alike).toEqual(same);
    expect(other).not.toEqual(same);
    expect(Math.hypot(...(same ?? []))).toBeCloseTo(1, 5);
  });

  it('says what is wrong with a request', async () => {
    const ask = (prompt: number[], options: GenerateOptions = greedy) =>
      codeOf(model.complete(prompt, options, ignore));
    expect(await ask([])).toBe('invalid-argument');
    expect(await ask([260])).toBe('invalid-argument');
    expect(await ask(Array(128).fill(1))).toBe('context-full');
    for (const options of [
      { temperature: -1 },
      { topP: 2 },
      { topK: 0.5 },
      { maxTokens: 0 },
      { seed: -1 },
      { repetitionPenalty: 0 },
    ]) {
      expect(await ask([1], options)).toBe('invalid-argument');
    }
    expect(await codeOf(model.chat([], greedy, ignore))).toBe('invalid-argument');
    expect(await ask([1, 2, 3])).toBe('fine');
  });
});

describe('the engine', () => {
  afterEach(() => {
    expect(engine.stats().gpuBytes).toBe(0);
  });

  it('frees everything on the GPU, a hundred times', async () => {
    const file = await fixture('qwen2');
    const idle = engine.stats();
    for (let round = 0; round < 100; round += 1) {
      const model = await engine.loadModel(file.slice(0), load);
      if (round % 25 === 0) await model.complete([1, 2], { ...greedy, maxTokens: 2 }, ignore);
      await model.dispose();
    }
    expect(engine.stats().gpuBytes).toBe(idle.gpuBytes);
    expect(engine.stats().buffers).toBe(idle.buffers);
  }, 60_000);

  it('runs safetensors as it runs the same model in GGUF, quantized on load or not', async () => {
    const url = new URL('/e2e/fixtures/models/qwen3/model.safetensors', location.href);
    const prompt = [72, 101, 108, 108, 111];
    const answer = async (model: RestorableModel) => {
      const { tokens } = await model.complete(prompt, greedy, ignore);
      await model.dispose();
      return tokens;
    };
    const gguf = await answer(await engine.loadModel(await fixture('qwen3'), load));
    expect(await answer(await engine.loadModel(url, load))).toEqual(gguf);
    for (const quantize of ['q8_0', 'q4_0'] as const) {
      const model = await engine.loadModel(url, { ...load, quantize });
      expect(model.info.quantization).toBe(quantize.toUpperCase());
      expect(await answer(model)).toHaveLength(12);
    }
  });

  it('tells how far a load is, to the compiler at its end', async () => {
    const seen: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => seen.push(progress);
    const model = await engine.loadModel(await fixture('qwen2'), { ...load, onProgress });
    await model.dispose();
    expect(seen.at(-1)?.phase).toBe('compile');
    expect(seen.every(({ loadedBytes, totalBytes }) => loadedBytes <= totalBytes)).toBe(true);
  });

  it('refuses what is not there and what cannot be', async () => {
    const file = await fixture('qwen2');
    const loadWith = (attention: object) =>
      codeOf(
        engine.loadModel(file.slice(0), { ...load, attention }).then((loaded) => loaded.dispose()),
      );
    expect(await loadWith({ kvCache: 'q5_0' })).toBe('invalid-argument');
    // Its heads are narrower than a block.
    expect(await loadWith({ kvCache: 'q8_0' })).toBe('invalid-argument');
    expect(await loadWith({ tokenSelect: { selected: 1e9 } })).toBe('invalid-argument');
    expect(await loadWith({ matryoshka: { budget: 0.5 } })).toBe('invalid-argument');
    expect(await loadWith({ tokenSelect: false, kvCache: 'f32' })).toBe('fine');
    const model = await engine.loadModel(file, load);
    const schema = { ...greedy, schema: {} };
    expect(await codeOf(model.complete([1], schema, ignore))).toBe('invalid-argument');
    await model.dispose();
  });

  it('selects from narrow caches', async () => {
    const file = await fetchFile('/models/vitrail-small.gguf');
    const tokenSelect = { initial: 4, selected: 8, local: 16 };
    for (const matryoshka of [false, { budget: 0.5 }] as const) {
      const attention = { tokenSelect, matryoshka, kvCache: 'q8_0' } as const;
      const model = await engine.loadModel(file.slice().buffer, { ...load, attention });
      const { tokens, usage } = await model.chat(hello, { ...greedy, maxTokens: 24 }, ignore);
      expect(tokens).toHaveLength(24);
      const counts = await model.attended();
      const attended = counts.reduce((sum, count) => sum + count, 0) / model.info.layers;
      expect(usage.promptTokens + 24).toBeGreaterThan(28);
      expect(attended).toBeLessThanOrEqual(28);
      expect(model.info.attention.includes('matryoshka')).toBe(matryoshka !== false);
      expect(model.info.attention).toContain('token-select');
      await model.dispose();
    }
  });

  it('leaves nothing behind when a load fails, and stays usable', async () => {
    const engine = await Engine.create({ maxBufferBytes: 20_000 });
    const corrupt = (await fixture('qwen2')).slice(0, 50_000);
    expect(await codeOf(engine.loadModel(await fixture('qwen2'), load))).toBe('gpu-limit-exceeded');
    expect(await codeOf(engine.loadModel(corrupt, load))).toBe('model-corrupt');
    expect(await codeOf(engine.loadModel(new ArrayBuffer(100), load))).toBe('model-corrupt');
    expect(engine.stats().gpuBytes).toBe(0);
    await engine.dispose();
  });

  it('says so when the GPU has no memory for the context', async () => {
    const file = await fixture('qwen2');
    // 1 GiB for the keys of each layer: more than the adapter of the tests can allocate, though not more than it allows.
    const huge = engine.loadModel(file.slice(0), {
      ...load,
      contextLength: 2 ** 25,
      attention: { kvCache: 'f32' },
    });
    expect(await codeOf(huge)).toBe('gpu-out-of-memory');
    expect(engine.stats().gpuBytes).toBe(0);
    const model = await engine.loadModel(file, load);
    expect((await model.complete([1], greedy, ignore)).finish).toBe('length');
    await model.dispose();
  });

  it('survives a lost device: the running answer fails, the next one works', async () => {
    const { request, devices } = watchDevices();
    const engine = await Engine.create();
    const seen: string[] = [];
    engine.on('devicelost', () => seen.push('devicelost'));
    engine.on('devicerestored', () => seen.push('devicerestored'));
    const model = await engine.loadModel(await fixture('qwen3'), load);
    const before = await model.chat(hello, greedy, ignore);
    const running = model.chat(hello, { ...greedy, maxTokens: 100 }, () =>
      devices.at(-1)?.destroy(),
    );
    expect(await codeOf(running)).toBe('gpu-device-lost');
    const after = await model.chat(hello, greedy, ignore);
    expect(after.tokens).toEqual(before.tokens);
    expect(seen).toEqual(['devicelost', 'devicerestored']);
    expect(devices).toHaveLength(2);
    await engine.dispose();
    GPUAdapter.prototype.requestDevice = request;
  });

  it('decodes with at most one encoder, one pass and one submit a step, and creates nothing', async () => {
    const { bindings, restore } = watchBindGroups();
    const model = await engine.loadModel(await fixture('qwen3'), load);
    restore();
    await model.complete([1, 2, 3], greedy, ignore);
    const few = await countCalls(bindings, () =>
      model.complete([1, 2, 3], { ...greedy, maxTokens: 4 }, ignore),
    );
    const many = await countCalls(bindings, () =>
      model.complete([1, 2, 3], { ...greedy, maxTokens: 24 }, ignore),
    );
    const perStep = Object.fromEntries(
      Object.entries(many).map(([name, count]) => [name, (count - (few[name] ?? 0)) / 20]),
    );
    const { submit, createCommandEncoder, beginComputePass, copyBufferToBuffer, ...others } =
      perStep;
    // Short steps share a submit.
    expect(submit).toBeLessThanOrEqual(1);
    expect([createCommandEncoder, beginComputePass]).toEqual([submit, submit]);
    // Sampled tokens, for the host.
    expect(copyBufferToBuffer).toBe(submit);
    // Embedding, six a layer, lm_head, sampler.
    const dispatches = 1 + 6 * 3 + 2;
    expect(others).toEqual({
      createBuffer: 0,
      createBindGroup: 0,
      createShaderModule: 0,
      createComputePipelineAsync: 0,
      writeBuffer: 0,
      setPipeline: dispatches,
      setBindGroup: dispatches,
      dispatchWorkgroups: dispatches,
      // Embedding; product, rotation, attention, output, gates and ups, down; lm_head, sampler.
      bindings: 3 + 3 * (4 + 8 + 5 + 3 + 4 + 3) + 5 + 4,
    });
    await model.dispose();
  });
});

/** Records every device that is opened. */
function watchDevices(): {
  request: typeof GPUAdapter.prototype.requestDevice;
  devices: GPUDevice[];
} {
  const request = GPUAdapter.prototype.requestDevice;
  const devices: GPUDevice[] = [];
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, descriptor) {
    const device = await request.call(this, descriptor);
    devices.push(device);
    return device;
  };
  return { request, devices };
}

/** Bindings of the bind groups that are made until `restore`. */
function watchBindGroups(): { bindings: Map<GPUBindGroup, number>; restore(): void } {
  const create = GPUDevice.prototype.createBindGroup;
  const bindings = new Map<GPUBindGroup, number>();
  GPUDevice.prototype.createBindGroup = function (this: GPUDevice, descriptor) {
    const group = create.call(this, descriptor);
    bindings.set(group, [...descriptor.entries].length);
    return group;
  };
  const restore = () => {
    GPUDevice.prototype.createBindGroup = create;
  };
  return { bindings, restore };
}

/** Counts WebGPU calls while some work runs, by wrapping the prototypes, and the bindings that are set. */
async function countCalls(
  bindings: ReadonlyMap<GPUBindGroup, number>,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const watched: [object, string][] = [
    [GPUDevice.prototype, 'createBuffer'],
    [GPUDevice.prototype, 'createBindGroup'],
    [GPUDevice.prototype, 'createShaderModule'],
    [GPUDevice.prototype, 'createComputePipelineAsync'],
    [GPUDevice.prototype, 'createCommandEncoder'],
    [GPUQueue.prototype, 'writeBuffer'],
    [GPUQueue.prototype, 'submit'],
    [GPUCommandEncoder.prototype, 'beginComputePass'],
    [GPUCommandEncoder.prototype, 'copyBufferToBuffer'],
    [GPUComputePassEncoder.prototype, 'setPipeline'],
    [GPUComputePassEncoder.prototype, 'setBindGroup'],
    [GPUComputePassEncoder.prototype, 'dispatchWorkgroups'],
  ];
  const counts: Record<string, number> = { bindings: 0 };
  const originals = watched.map(([prototype, name]) => {
    const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
    counts[name] = 0;
    Reflect.set(prototype, name, function (this: unknown, ...args: unknown[]) {
      counts[name] = (counts[name] ?? 0) + 1;
      if (name === 'setBindGroup') {
        counts.bindings = (counts.bindings ?? 0) + (bindings.get(args[1] as GPUBindGroup) ?? 0);
      }
      return original.apply(this, args);
    });
    return original;
  });
  await work();
  watched.forEach(([prototype, name], i) => {
    Reflect.set(prototype, name, originals[i]);
  });
  return counts;
}
