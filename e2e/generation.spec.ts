import { chromium } from '@playwright/test';
import { ensureChromium, softwareAdapterFlags } from '../scripts/chromium.mjs';
import { embeddedModel, expect, test, tinyModel } from './site.ts';

test('an abort ends a generation within 100 ms or a step, and the model stays usable', async ({
  blank,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const model = await runtime.loadModel(source);
    const abort = new AbortController();
    const generation = model.complete('It was', { signal: abort.signal, ignoreEos: true });
    for await (const { text } of generation) {
      if (text) break;
    }
    const again = model.complete('It was', { signal: abort.signal, ignoreEos: true });
    const stepMs: number[] = [];
    let last = performance.now();
    for await (const _ of again) {
      stepMs.push(performance.now() - last);
      last = performance.now();
      if (stepMs.length === 12) abort.abort();
    }
    const abortMs = performance.now() - last;
    const { finish } = await again.result;
    const left = (await generation.result).finish;
    const after = await model.complete('It was', { maxTokens: 4 }).result;
    await runtime.dispose();
    return {
      finish,
      left,
      abortMs,
      slowestStepMs: Math.max(...stepMs),
      after: after.tokens.length,
    };
  }, embeddedModel);
  expect(seen).toMatchObject({ finish: 'abort', left: 'abort', after: 4 });
  expect(seen.abortMs).toBeLessThan(Math.max(100, 2 * seen.slowestStepMs));
});

test('an abort ends a download', async ({ blank, site }) => {
  site.faults.set(embeddedModel, () => ({ bytesPerSecond: 500_000 }));
  const failure = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const abort = new AbortController();
    const failed = await failureOf(
      runtime.loadModel(source, {
        signal: abort.signal,
        onProgress: ({ loadedBytes }) => loadedBytes > 100_000 && abort.abort(),
      }),
    );
    const { gpuBytes } = await runtime.stats();
    await runtime.dispose();
    return { code: failed?.code, gpuBytes };
  }, embeddedModel);
  expect(failure).toEqual({ code: 'aborted', gpuBytes: 0 });
});

test('two generations at once on one model both finish, each with its own text', async ({
  blank,
}) => {
  const answers = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const model = await runtime.loadModel(source);
    const options = { maxTokens: 12, temperature: 0 };
    const prompts = ['The old house stood', 'My dear Watson'] as const;
    const text = async (prompt: string) => (await model.complete(prompt, options).result).text;
    const alone = [await text(prompts[0]), await text(prompts[1])];
    const together = await Promise.all([text(prompts[0]), text(prompts[1])]);
    await runtime.dispose();
    return { alone, together };
  }, embeddedModel);
  expect(answers.together).toEqual(answers.alone);
  expect(answers.alone[0]).not.toBe(answers.alone[1]);
});

test('a seed repeats its answer, and an unchanged prefix is not computed again', async ({
  blank,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const model = await runtime.loadModel(source);
    const opening = 'The ship had been three days out of port when the captain';
    const options = { maxTokens: 16, temperature: 0.8, seed: 7 };
    const first = await model.complete(opening, options).result;
    const second = await model.complete(opening, options).result;
    const other = await model.complete(opening, { ...options, seed: 8 }).result;
    const longer = await model.complete(`${opening}${first.text}`, options).result;
    await runtime.dispose();
    return { first, second, other, longer };
  }, embeddedModel);
  expect(seen.second.tokens).toEqual(seen.first.tokens);
  expect(seen.other.tokens).not.toEqual(seen.first.tokens);
  expect(seen.longer.usage.cachedTokens).toBeGreaterThan(seen.first.usage.promptTokens / 2);
});

test('a hundred rounds of load and dispose leave no GPU memory behind', async ({ blank }) => {
  test.slow();
  const bytes = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const idle = (await runtime.stats()).gpuBytes;
    const loaded: number[] = [];
    for (let round = 0; round < 100; round++) {
      const model = await runtime.loadModel(source);
      if (round % 20 === 0) await model.complete('Hello', { maxTokens: 2 }).result;
      loaded.push((await runtime.stats()).gpuBytes);
      await model.dispose();
    }
    const { gpuBytes, buffers } = await runtime.stats();
    await runtime.dispose();
    return { idle, end: gpuBytes, buffers, loaded: new Set(loaded.map((value) => value > 0)).size };
  }, tinyModel);
  expect(bytes).toEqual({ idle: 0, end: 0, buffers: 0, loaded: 1 });
});

test('a tokenizer works without a model on the GPU', async ({ blank }) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const tokenizer = await runtime.loadTokenizer(source);
    const text = 'Grüße aus dem 窓, she said.';
    const { gpuBytes } = await runtime.stats();
    const tokens = tokenizer.encode(text);
    await runtime.dispose();
    return {
      gpuBytes,
      same: tokenizer.decode(tokens) === text,
      count: tokenizer.count(text) - tokens.length,
    };
  }, embeddedModel);
  expect(seen).toEqual({ gpuBytes: 0, same: true, count: 0 });
});

test('a lost device ends what runs, comes back by itself, and answers as before', async ({
  site,
}) => {
  // The crash takes the GPU process of the whole browser down: not in the browser that the other tests share.
  const browser = await chromium.launch({
    executablePath: ensureChromium(),
    args: softwareAdapterFlags,
  });
  try {
    const page = await browser.newPage();
    await page.goto(`${site.url}/pages/blank.html`);
    const running = page.evaluate(async (source) => {
      const runtime = await vitrail.createRuntime();
      const events: string[] = [];
      const restored = new Promise<void>((resolve) => {
        runtime.on('devicelost', () => events.push('devicelost'));
        runtime.on('devicerestored', () => {
          events.push('devicerestored');
          resolve();
        });
      });
      const model = await runtime.loadModel(source);
      const options = { maxTokens: 8, temperature: 0 };
      const before = await model.complete('It was a dark', options).result;
      document.title = 'decoding';
      const endless = async () => {
        for (;;) await model.complete('It was', { ignoreEos: true, maxTokens: 400 }).result;
      };
      const failure = await failureOf(endless());
      await restored;
      const after = await model.complete('It was a dark', options).result;
      return { failure, events, same: String(after.tokens) === String(before.tokens) };
    }, `${site.url}${embeddedModel}`);
    await expect(page).toHaveTitle('decoding');
    await (await browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
    const seen = await running;
    expect(seen.failure).toMatchObject({ name: 'VitrailError', code: 'gpu-device-lost' });
    expect(seen.events).toEqual(['devicelost', 'devicerestored']);
    expect(seen.same).toBe(true);
  } finally {
    await browser.close();
  }
});

test('a text script that cannot be loaded says so', async ({ blank }) => {
  const error = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime({ textUrl: '/nowhere/vitrail.text.js' });
    const failures = [
      await failureOf(runtime.loadModel(source, { cache: false })),
      await failureOf(runtime.loadTokenizer(source)),
    ];
    await runtime.dispose();
    return failures.map((failure) => ({ code: failure?.code, fix: failure?.fix }));
  }, tinyModel);
  const missing = { code: 'network', fix: expect.stringMatching(/vitrail\.text\.js/) };
  expect(error).toEqual([missing, missing]);
});
