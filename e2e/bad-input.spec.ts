import type { Page } from '@playwright/test';
import { expect, test, tinyModel } from './site.ts';

/** Loads what must not load; afterwards the same runtime has to load a good model and answer. */
function refusal(page: Page, source: string, change?: { at: number; bytes: number[] } | number) {
  return page.evaluate(
    async ([address, edit, good]) => {
      const runtime = await vitrail.createRuntime();
      let given: string | ArrayBuffer = address;
      if (edit !== undefined) {
        const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
        if (typeof edit === 'object') bytes.set(edit.bytes, edit.at);
        given = typeof edit === 'number' ? bytes.slice(0, edit).buffer : bytes.buffer;
      }
      const failure = await failureOf(runtime.loadModel(given));
      const model = await runtime.loadModel(good, { cache: false });
      const { tokens } = await model.complete('Hello', { maxTokens: 4 }).result;
      const stored = await runtime.store.list();
      await runtime.dispose();
      return { ...failure, answered: tokens.length > 0, stored };
    },
    [source, change, tinyModel] as const,
  );
}

function expectRefusal(found: Awaited<ReturnType<typeof refusal>>, code: string): void {
  expect(found).toMatchObject({ name: 'VitrailError', code, answered: true, stored: [] });
  expect(found.fix?.length).toBeGreaterThan(20);
  expect(found.where).toMatch(/^[\w-]+\/[\w-]+/);
}

test('what is no model file', async ({ blank }) => {
  expectRefusal(await refusal(blank, '/index.html'), 'model-corrupt');
});

for (const bytes of [0, 3, 20, 5000, 200_000]) {
  test(`a file cut after ${bytes} bytes`, async ({ blank }) => {
    expectRefusal(await refusal(blank, tinyModel, bytes), 'model-corrupt');
  });
}

test('absurd counts in the header', async ({ blank }) => {
  const huge = [0, 0, 0, 0, 0, 0, 0, 16];
  expectRefusal(await refusal(blank, tinyModel, { at: 8, bytes: huge }), 'model-corrupt');
  expectRefusal(await refusal(blank, tinyModel, { at: 16, bytes: huge }), 'model-corrupt');
  // The length of the first key.
  expectRefusal(await refusal(blank, tinyModel, { at: 24, bytes: huge }), 'model-corrupt');
});

test('an architecture that is unknown', async ({ blank }) => {
  const at = await blank.evaluate(async (address) => {
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
    const text = new TextDecoder('latin1').decode(bytes.subarray(0, 4096));
    return text.indexOf('llama', text.indexOf('general.architecture'));
  }, tinyModel);
  const found = await refusal(blank, tinyModel, {
    at,
    bytes: [...'zebra'].map((letter) => letter.charCodeAt(0)),
  });
  expectRefusal(found, 'model-unsupported');
  expect(`${found.message} ${found.fix}`).toMatch(/llama.*qwen3/);
});

for (const status of [403, 404, 500, 503]) {
  test(`HTTP ${status}`, async ({ blank, site }) => {
    site.faults.set('/refused.gguf', () => ({ status }));
    const found = await refusal(blank, '/refused.gguf');
    expectRefusal(found, 'network');
    expect(found.message).toContain(String(status));
  });
}

test('another origin that does not allow this page', async ({ blank, site }) => {
  const elsewhere = site.url.replace('localhost', '127.0.0.1');
  expectRefusal(await refusal(blank, `${elsewhere}${tinyModel}`), 'network');
});

test('a server that always drops the connection', async ({ blank, site }) => {
  site.faults.set('/fixtures/qwen2.gguf', () => ({ cutAfterBytes: 0 }));
  expectRefusal(await refusal(blank, '/fixtures/qwen2.gguf'), 'network');
});

test('prompts and options that cannot be', async ({ blank }) => {
  const codes = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const model = await runtime.loadModel(source, { contextLength: 64 });
    const code = async (promise: Promise<unknown>) => (await failureOf(promise))?.code;
    const found = {
      empty: await code(model.complete('').result),
      long: await code(model.complete('word '.repeat(100)).result),
      noMessages: await code(model.chat([]).result),
      temperature: await code(model.complete('Hello', { temperature: -1 }).result),
      topP: await code(model.complete('Hello', { topP: 2 }).result),
      maxTokens: await code(model.complete('Hello', { maxTokens: -3 }).result),
      token: await code(model.complete([1_000_000]).result),
      contextLength: await code(runtime.loadModel(source, { contextLength: -5 })),
      integrity: await code(runtime.loadModel(source, { integrity: 'md5-abc' })),
      source: await code(runtime.loadModel('hf:nothing')),
      stored: await code(runtime.loadModel('store:none')),
    };
    const { tokens } = await model.complete('Hello', { maxTokens: 4 }).result;
    await runtime.dispose();
    return { ...found, answered: tokens.length };
  }, tinyModel);
  expect(codes).toEqual({
    empty: 'invalid-argument',
    long: 'context-full',
    noMessages: 'invalid-argument',
    temperature: 'invalid-argument',
    topP: 'invalid-argument',
    maxTokens: 'invalid-argument',
    token: 'invalid-argument',
    contextLength: 'invalid-argument',
    integrity: 'invalid-argument',
    source: 'invalid-argument',
    stored: expect.stringMatching(/invalid-argument|storage-corrupt/),
    answered: 4,
  });
});
