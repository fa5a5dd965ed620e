import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VitrailError } from '../errors.ts';
import { rowLayout } from '../quant/format.ts';
import { quantFormat, quantFormats } from '../quant/registry.ts';
import {
  collectRows,
  expectedModel,
  expectedRows,
  ggufFile,
  mixedTensors,
  safetensorsFile,
  type TestTensor,
  testTensor,
  zeroTensor,
} from './test-models.ts';
import { type ServedFile, TestServer } from './test-server.ts';
import { gpuFormat, type OpenOptions, WeightStore } from './weight-store.ts';

/** Node has no IndexedDB: everything here streams from the source and keeps nothing. */
const store = new WeightStore({ maxShardBytes: 20_000, retryPolicy: { firstDelayMs: 1 } });
const tensors = mixedTensors();
const file = ggufFile(tensors);

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
beforeEach(() => {
  server.files.clear();
  server.forget();
});
afterAll(() => server.stop());

function serve(options: Partial<ServedFile> = {}): string {
  return server.serve('/model.gguf', { bytes: file, ...options });
}

describe('open', () => {
  it.each([
    ['a Blob', async () => new Blob([file])],
    ['a File', async () => new File([file], 'local.gguf')],
    ['an ArrayBuffer', async () => file.buffer],
    ['an address', async () => serve()],
    ['a server without ranges', async () => serve({ ranges: false })],
    ['a server that tells no length', async () => serve({ contentLength: false, etag: null })],
  ])('streams all rows in the GPU layout from %s', async (_, source) => {
    const model = await store.open(await source());
    expect(model.header.metadata.get('general.name')).toBe('test');
    expect([...model.header.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
    expect(model.cached).toBe(false);
    const rows = await collectRows(model);
    expectSameRows(rows, expectedModel(tensors));
    const gpuBytes = [...rows.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(model.gpuBytes).toBe(gpuBytes);
  });

  it('reads a small file in a single request', async () => {
    const model = await store.open(serve());
    await collectRows(model);
    expect(server.requests.length).toBe(1);
    expect(server.sentBytes).toBe(file.byteLength);
  });

  it('says the format of each chunk beforehand', async () => {
    const model = await store.open(file.buffer);
    for await (const { tensor, format, rows, bytes } of model.chunks()) {
      expect(format).toBe(gpuFormat(tensor, {}));
      const columns = tensor.shape.at(-1) ?? 1;
      expect(bytes.byteLength).toBe(rows * rowLayout(format, columns).rowBytes);
    }
    const formats = tensors.map(({ name }) => {
      const tensor = model.header.tensors.get(name);
      return tensor && gpuFormat(tensor, {}).name;
    });
    expect(formats).toEqual(['q8_0', 'f32', 'f32', 'q4_1', 'q4_k', 'q4_0', 'f16', 'f32']);
  });

  it.each(quantFormats.map(({ name }) => name))('lays out %s', async (format) => {
    const matrix = [testTensor('matrix', format, [7, 256], 3), testTensor('v', format, [256], 4)];
    const model = await store.open(ggufFile(matrix).buffer);
    expectSameRows(await collectRows(model), expectedModel(matrix));
  });

  it('streams again for each call of chunks', async () => {
    const model = await store.open(serve());
    for (let i = 0; i < 2; i += 1) expectSameRows(await collectRows(model), expectedModel(tensors));
  });

  it('fetches no more than the consumer asks for', async () => {
    const large = [zeroTensor('large', [4096, 4096])];
    const url = server.serve('/large.gguf', { bytes: ggufFile(large) });
    const model = await store.open(url);
    server.forget();
    for await (const { firstRow } of model.chunks()) {
      expect(firstRow).toBe(0);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    // What the sockets of both sides hold at most.
    expect(server.sentBytes).toBeLessThan(16 * 2 ** 20);
  });

  it('opens a file without tensors', async () => {
    const model = await store.open(ggufFile([]).buffer);
    expect(model.gpuBytes).toBe(0);
    expect(await collectRows(model)).toEqual(new Map());
  });

  it('survives cuts at any byte, with the connection cut again and again', async () => {
    const cuts = [10, 3_333, 64_000, 1, 50_001, 20_000, 7, 90_000];
    const url = serve({ cutAfter: (number) => cuts[number - 1] ?? null });
    expectSameRows(await collectRows(await store.open(url)), expectedModel(tensors));
  });
});

const data = fileURLToPath(new URL('../../../shared/data/lm/', import.meta.url));

describe.skipIf(!existsSync(data))('a real file', () => {
  it('comes out tensor by tensor', async () => {
    const bytes = readFileSync(`${data}stories260K.gguf`);
    const model = await new WeightStore().open(new Blob([bytes]));
    const rows = await collectRows(model);
    for (const { name, format, shape, offset, bytes: length } of model.header.tensors.values()) {
      const content = new Uint8Array(bytes.subarray(offset, offset + length));
      const expected = expectedRows({ name, format, shape: [...shape], bytes: content });
      expect(Buffer.compare(rows.get(name) ?? new Uint8Array(), expected), name).toBe(0);
    }
    expect(rows.size).toBe(model.header.tensors.size);
  });
});

describe('quantize', () => {
  const floats = [
    testTensor('matrix', 'f16', [40, 64], 1),
    testTensor('odd', 'f32', [4, 33], 2),
    testTensor('norm', 'f32', [64], 3),
    testTensor('stored', 'q4_1', [8, 64], 4),
  ];

  it.each(['q8_0', 'q4_0'] as const)(
    '%s: float matrices whose rows hold whole blocks',
    async (name) => {
      const model = await store.open(ggufFile(floats).buffer, { quantize: name });
      const rows = await collectRows(model);
      const formatOf = (tensor: string) => {
        const info = model.header.tensors.get(tensor);
        return info && gpuFormat(info, { quantize: name }).name;
      };
      expect(['matrix', 'odd', 'norm', 'stored'].map(formatOf)).toEqual([
        name,
        'f32',
        'f32',
        'q4_1',
      ]);
      expectSameRows(
        rows,
        expectedModel([quantized(floats[0] as TestTensor, name), ...floats.slice(1)]),
      );
    },
  );
});

describe('safetensors', () => {
  const parts = [
    [testTensor('embedding', 'bf16', [50, 64], 1), testTensor('norm', 'bf16', [64], 2)],
    [testTensor('out', 'f32', [64, 32], 3), testTensor('bias', 'f16', [5], 4)],
  ];
  const config = { model_type: 'llama', hidden_size: 64 };
  const json = (value: unknown): ServedFile => ({
    bytes: new TextEncoder().encode(JSON.stringify(value)),
  });

  it('one file, with the texts beside it', async () => {
    server.serve('/repo/config.json', json(config));
    server.serve('/repo/tokenizer.json', json({ model: { type: 'BPE' } }));
    server.serve('/repo/tokenizer_config.json', json({ eos_token: '</s>' }));
    server.serve('/repo/chat_template.jinja', {
      bytes: new TextEncoder().encode('{{ messages }}'),
    });
    const all = parts.flat();
    const url = server.serve('/repo/model.safetensors', { bytes: safetensorsFile(all) });
    const model = await store.open(url, { quantize: 'q8_0' });
    expect(model.header.metadata.get('vitrail.config')).toBe(JSON.stringify(config));
    expect(model.extra).toEqual({
      config,
      tokenizerJson: { model: { type: 'BPE' } },
      tokenizerConfig: { eos_token: '</s>', chat_template: '{{ messages }}' },
    });
    const expected = all.map((tensor) =>
      tensor.shape.length === 2 ? quantized(tensor, 'q8_0') : tensor,
    );
    expectSameRows(await collectRows(model), expectedModel(expected));
  });

  it('several files by their index', async () => {
    const weightMap: Record<string, string> = {};
    parts.forEach((tensors, index) => {
      const name = `model-${index}.safetensors`;
      server.serve(`/repo/${name}`, { bytes: safetensorsFile(tensors) });
      for (const tensor of tensors) weightMap[tensor.name] = name;
    });
    server.serve('/repo/config.json', json(config));
    const index = server.serve(
      '/repo/model.safetensors.index.json',
      json({ weight_map: weightMap }),
    );
    const model = await store.open(index);
    expect(model.extra).toEqual({ config });
    expectSameRows(await collectRows(model), expectedModel(parts.flat()));
  });

  it('without config.json it is of no use', async () => {
    const url = server.serve('/repo/model.safetensors', { bytes: safetensorsFile(parts.flat()) });
    expect(await failure(url)).toMatchObject({ code: 'network', detail: { status: 404 } });
    const local = await failure(new Blob([safetensorsFile(parts.flat())]));
    expect(local).toMatchObject({
      code: 'model-unsupported',
      fix: expect.stringContaining('config.json'),
    });
  });

  it('texts beside it that are no JSON', async () => {
    server.serve('/repo/config.json', { bytes: new TextEncoder().encode('<html>') });
    const url = server.serve('/repo/model.safetensors', { bytes: safetensorsFile(parts.flat()) });
    expect(await failure(url)).toMatchObject({ code: 'model-corrupt', where: 'model-files/json' });
  });
});

describe('bad input', () => {
  it('no model at all', async () => {
    const page = new TextEncoder().encode('<!doctype html><title>Not found</title>');
    const url = server.serve('/page', { bytes: page });
    expect((await failure(url)).code).toBe('model-corrupt');
    expect((await failure(new ArrayBuffer(0))).code).toBe('model-corrupt');
  });

  it('a file that is truncated anywhere', async () => {
    for (let length = 0; length < file.byteLength; length += 9_973) {
      const error = await failure(file.slice(0, length).buffer);
      expect(error.code, `${length} bytes`).toBe('model-corrupt');
    }
  });

  it('a file that is truncated on a server that tells no length', async () => {
    const bytes = file.slice(0, file.byteLength - 5_000);
    const url = serve({ bytes, contentLength: false });
    expect(['network', 'model-corrupt']).toContain((await failure(url)).code);
  });

  it('a header that claims more than any browser can hold, from a server that tells no length', async () => {
    const claim = [{ ...testTensor('huge', 'f32', [1, 32], 1), shape: [2 ** 40, 32] }];
    const url = serve({ bytes: ggufFile(claim), contentLength: false });
    expect((await failure(url)).code).toMatch(/^model-/);
  });

  it('options that are none', async () => {
    const quantize = 'q2_k' as OpenOptions['quantize'];
    expect(await failure(file.buffer, { quantize })).toMatchObject({ code: 'invalid-argument' });
    expect(await failure(file.buffer, { integrity: 'md5-abc' })).toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('a local file that has gone meanwhile', async () => {
    const gone = new Blob([file]);
    gone.slice = () =>
      ({
        arrayBuffer: () => Promise.reject(new DOMException('', 'NotReadableError')),
      }) as unknown as Blob;
    expect(await failure(gone)).toMatchObject({
      code: 'invalid-argument',
      where: 'byte-source/read',
    });
  });
});

describe('abort', () => {
  it('before it begins', async () => {
    expect((await failure(serve(), { signal: AbortSignal.abort() })).code).toBe('aborted');
    expect(server.requests).toEqual([]);
  });

  it.each([
    ['in the header', 2],
    ['in the weights', 40],
  ])('within 100 ms %s', async (_, afterPieces) => {
    const large = [zeroTensor('large', [1024, 1024])];
    const url = server.serve('/slow.gguf', { bytes: ggufFile(large), delayMs: 10 });
    const aborter = new AbortController();
    const options = { signal: aborter.signal };
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      aborter.abort();
    }, afterPieces * 10);
    const error = await failure(url, options);
    expect(error.code).toBe('aborted');
    expect(performance.now() - abortedAt).toBeLessThan(100);
  });
});

describe('progress', () => {
  it('grows to the length of the file', async () => {
    const reports: number[] = [];
    const url = serve({ delayMs: 60 });
    const model = await store.open(url, {
      onProgress: ({ phase, loadedBytes, totalBytes, cached, bytesPerSecond, etaMs }) => {
        expect({ phase, totalBytes, cached }).toEqual({
          phase: 'download',
          totalBytes: expect.closeTo(file.byteLength, -2),
          cached: false,
        });
        expect(bytesPerSecond).toBeGreaterThanOrEqual(0);
        expect(etaMs).toBeGreaterThanOrEqual(0);
        reports.push(loadedBytes);
      },
    });
    await collectRows(model);
    expect(reports.length).toBeGreaterThan(2);
    expect(reports).toEqual(reports.toSorted((a, b) => a - b));
    expect(reports.at(-1)).toBeGreaterThan(file.byteLength - 100);
  });
});

/** The error of opening and streaming. */
async function failure(
  source: Parameters<WeightStore['open']>[0],
  options: OpenOptions = {},
): Promise<VitrailError> {
  try {
    await collectRows(await store.open(source, options));
  } catch (thrown) {
    return thrown as VitrailError;
  }
  return expect.unreachable('it did not fail');
}

/** A float tensor as it is after quantization on load. */
function quantized(tensor: TestTensor, name: string): TestTensor {
  const weights = new Float32Array(tensor.shape.reduce((product, size) => product * size, 1));
  quantFormat(tensor.format).dequantize(tensor.bytes, weights);
  const target = quantFormat(name);
  const bytes = new Uint8Array((weights.length / target.blockElements) * target.blockBytes);
  target.quantize?.(weights, bytes);
  return { ...tensor, format: name, bytes };
}

function expectSameRows(actual: Map<string, Uint8Array>, expected: Map<string, Uint8Array>): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, bytes] of expected) {
    expect(Buffer.compare(actual.get(name) ?? new Uint8Array(), bytes), name).toBe(0);
  }
}
