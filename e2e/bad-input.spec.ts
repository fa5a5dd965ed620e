import type { JSHandle } from '@playwright/test';
import type { Runtime } from '../src/index.ts';
import { expect, test, tinyModel } from './site.ts';

interface BadInput {
  name: string;
  source: string;
  /** Bytes that are left of it, or what stands in it instead. */
  change?: { at: number; bytes: number[] } | number;
  code: string;
  /** What the message, or how to mend it, says. */
  says?: RegExp;
}

/**
 * Loads what must not load. Afterwards the same runtime has to load a good model and answer: one runtime takes them all, since its
 * shaders take seconds to compile on a software adapter.
 */
async function expectRefusal(runtime: JSHandle<Runtime>, input: BadInput): Promise<void> {
  const { source, change, code, says = / / } = input;
  const found = await runtime.evaluate(
    async (runtime, [address, edit, good]) => {
      let given: string | ArrayBuffer = address;
      if (edit !== undefined) {
        const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
        if (typeof edit === 'object') bytes.set(edit.bytes, edit.at);
        given = typeof edit === 'number' ? bytes.slice(0, edit).buffer : bytes.buffer;
      }
      const failure = await failureOf(runtime.loadModel(given));
      const { gpuBytes } = await runtime.stats();
      const model = await runtime.loadModel(good, { cache: false });
      const { tokens } = await model.complete('Hello', { maxTokens: 4 }).result;
      await model.dispose();
      const stored = await runtime.store.list();
      return { ...failure, gpuBytes, answered: tokens.length > 0, stored };
    },
    [source, change, tinyModel] as const,
  );
  const expected = { name: 'VitrailError', code, gpuBytes: 0, answered: true, stored: [] };
  expect(found).toMatchObject(expected);
  expect(found.fix?.length).toBeGreaterThan(20);
  expect(found.where).toMatch(/^[\w-]+\/[\w-]+/);
  expect(`${found.message} ${found.fix}`).toMatch(says);
}

test('files that are no models are refused', async ({ blank }) => {
  const architecture = await blank.evaluate(async (address) => {
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
    const text = new TextDecoder('latin1').decode(bytes.subarray(0, 4096));
    return text.indexOf('llama', text.indexOf('general.architecture'));
  }, tinyModel);
  const huge = [0, 0, 0, 0, 0, 0, 0, 16];
  const zebra = [...'zebra'].map((letter) => letter.charCodeAt(0));
  const corrupt = { source: tinyModel, code: 'model-corrupt' };
  const inputs: BadInput[] = [
    { name: 'a page', source: '/index.html', code: 'model-corrupt' },
    ...[0, 3, 20, 5000, 200_000].map((bytes) => {
      return { ...corrupt, name: `a file cut after ${bytes} bytes`, change: bytes };
    }),
    { ...corrupt, name: 'an absurd count of tensors', change: { at: 8, bytes: huge } },
    { ...corrupt, name: 'an absurd count of keys', change: { at: 16, bytes: huge } },
    { ...corrupt, name: 'an absurd length of the first key', change: { at: 24, bytes: huge } },
    {
      name: 'an architecture that is unknown',
      source: tinyModel,
      change: { at: architecture, bytes: zebra },
      code: 'model-unsupported',
      says: /llama.*qwen3/,
    },
  ];
  const runtime = await blank.evaluateHandle(() => vitrail.createRuntime());
  for (const input of inputs) await test.step(input.name, () => expectRefusal(runtime, input));
});

test('addresses that give no model are refused', async ({ blank, site }) => {
  const statuses = [403, 404, 500, 503];
  statuses.forEach((status, i) => {
    site.faults.set(`/refused-${i}.gguf`, () => ({ status }));
  });
  site.faults.set('/fixtures/qwen2.gguf', () => ({ cutAfterBytes: 0 }));
  const elsewhere = site.url.replace('localhost', '127.0.0.1');
  const inputs = [
    ...statuses.map((status, i) => {
      return { name: `HTTP ${status}`, source: `/refused-${i}.gguf`, says: RegExp(`${status}`) };
    }),
    {
      name: 'another origin that does not allow this page',
      source: `${elsewhere}${tinyModel}`,
    },
    { name: 'a server that always drops the connection', source: '/fixtures/qwen2.gguf' },
  ];
  const runtime = await blank.evaluateHandle(() => vitrail.createRuntime());
  for (const input of inputs) {
    await test.step(input.name, () => expectRefusal(runtime, { ...input, code: 'network' }));
  }
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
