import 'fake-indexeddb/auto';
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VitrailError } from '../errors.ts';
import type { LoadProgress } from '../types.ts';
import { ShardStore } from './shard-store.ts';
import {
  collectRows,
  expectedModel,
  ggufFile,
  mixedTensors,
  safetensorsFile,
  type TestTensor,
  testTensor,
  zeroTensor,
} from './test-models.ts';
import { type ServedFile, TestServer } from './test-server.ts';
import { type OpenModel, type OpenOptions, WeightStore } from './weight-store.ts';

/** IndexedDB in memory: the logic of the store. `weight-store.gpu.test.ts` has the same on a real one. */
const tensors = mixedTensors();
const file = ggufFile(tensors);
const expected = expectedModel(tensors);
const mebibyte = 2 ** 20;

let server: TestServer;
let databaseName: string;
let visits = 0;

beforeAll(async () => {
  server = await TestServer.start();
});
beforeEach(() => {
  server.files.clear();
  server.forget();
  visits += 1;
  databaseName = `vitrail-test-${visits}`;
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
afterAll(() => server.stop());

/** A page that has just been opened: nothing in memory, the same database. */
function visit(): WeightStore {
  const retryPolicy = { firstDelayMs: 1, retries: 1, firstRetries: 0 };
  return new WeightStore({ databaseName, retryPolicy, maxShardBytes: 20_000 });
}

function serve(options: Partial<ServedFile> = {}): string {
  return server.serve('/model.gguf', { bytes: file, ...options });
}

async function load(
  source: Parameters<WeightStore['open']>[0],
  options: OpenOptions = {},
): Promise<OpenModel> {
  const model = await visit().open(source, options);
  expectSameRows(await collectRows(model), expected);
  return model;
}

describe('a second visit', () => {
  it('needs no network', async () => {
    const url = serve();
    const first = await load(url);
    expect(first).toMatchObject({ cached: false, stored: true });
    server.files.clear();
    server.forget();
    const second = await load(url);
    expect(second).toMatchObject({ cached: true, id: first.id, gpuBytes: first.gpuBytes });
    expect([...second.header.metadata]).toEqual([...first.header.metadata]);
    expect((await load(`store:${first.id}`)).cached).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it('lists what is stored', async () => {
    const before = Date.now();
    const { id, gpuBytes } = await load(serve());
    const [stored] = await visit().list();
    expect(stored).toMatchObject({ id, name: 'model.gguf', complete: true });
    expect(stored?.bytes).toBeGreaterThan(gpuBytes);
    expect(stored?.bytes).toBeLessThan(gpuBytes + 2_000);
    expect(stored?.storedAt).toBeGreaterThanOrEqual(before);
    expect(await visit().verify(id)).toBe(true);
  });

  it('keeps local files too', async () => {
    const local = () => new File([file], 'local.gguf', { lastModified: 5 });
    const { id } = await load(local());
    expect(await load(local())).toMatchObject({ cached: true, id });
    expect(await load(`store:${id}`)).toMatchObject({ cached: true, name: 'local.gguf' });
    expect((await load(file.buffer)).cached).toBe(false);
    expect((await load(file.slice().buffer)).cached).toBe(true);
  });

  it('keeps safetensors with the texts beside them', async () => {
    const parts = [testTensor('matrix', 'f32', [80, 64], 1), testTensor('norm', 'f32', [64], 2)];
    const text = (value: unknown) => ({ bytes: new TextEncoder().encode(JSON.stringify(value)) });
    server.serve('/config.json', text({ model_type: 'llama' }));
    server.serve('/tokenizer.json', text({ model: {} }));
    const url = server.serve('/model.safetensors', { bytes: safetensorsFile(parts) });
    const first = await visit().open(url);
    await collectRows(first);
    server.files.clear();
    const second = await visit().open(url);
    expect(second.cached).toBe(true);
    expect(second.extra).toEqual(first.extra);
    expect(second.header).toEqual(first.header);
    expectSameRows(await collectRows(second), expectedModel(parts));
  });

  it('keeps nothing with cache: false', async () => {
    expect((await load(serve(), { cache: false })).stored).toBe(false);
    expect(await visit().list()).toEqual([]);
  });

  it('reads a copy in another layout anew', async () => {
    const url = serve();
    const { id } = await load(url);
    await new ShardStore(databaseName).update(id, (manifest) => {
      manifest.layoutVersion = 0;
    });
    server.forget();
    expect((await load(url)).cached).toBe(false);
    expect((await load(url)).cached).toBe(true);
  });
});

it('a model that is opened and never read is not stored', async () => {
  await visit().open(serve());
  expect(await storedKeys()).toEqual([]);
});

describe('an unfinished download', () => {
  /** Takes so many chunks, then closes the page. */
  async function leaveAfter(url: string, chunks: number): Promise<void> {
    const model = await visit().open(url);
    let taken = 0;
    for await (const _ of model.chunks()) {
      taken += 1;
      if (taken === chunks) break;
    }
    await settled();
  }

  it('goes on at the first missing shard after a reload', async () => {
    const url = serveLong();
    await leaveAfter(url, 10);
    const [stored] = await visit().list();
    expect(stored).toMatchObject({ complete: false });
    expect(stored?.bytes).toBeGreaterThan(100_000);
    server.forget();
    const model = await visit().open(url);
    expect(model.cached).toBe(false);
    expectSameRows(await collectRows(model), expectedModel(longTensors(1)));
    const [probe, rest] = server.requests;
    expect(probe?.range).toBe('bytes=0-0');
    expect(rest).toMatchObject({
      range: expect.stringMatching(/^bytes=\d{6,}-/),
      ifRange: '"one"',
    });
    expect(server.requests.length).toBe(2);
    expect((await visit().open(url)).cached).toBe(true);
  });

  it('starts over when the ETag has changed', async () => {
    const url = serveLong();
    await leaveAfter(url, 10);
    const newer = longTensors(2);
    server.serve('/long.gguf', { bytes: ggufFile(newer), etag: '"two"' });
    const model = await visit().open(url);
    expectSameRows(await collectRows(model), expectedModel(newer));
    expect((await visit().open(url)).cached).toBe(true);
  });

  it('starts over when the ETag changes while bytes come, if the header stays', async () => {
    const newer = longTensors(2);
    const url = serveLong({ cutAfter: (number) => (number === 2 ? 300_000 : null) });
    const model = await visit().open(url);
    const rows = new Map<string, Uint8Array[]>();
    let changed = false;
    for await (const { tensor, firstRow, bytes } of model.chunks()) {
      if (!changed) server.serve('/long.gguf', { bytes: ggufFile(newer), etag: '"two"' });
      changed = true;
      const pieces = firstRow === 0 ? [] : (rows.get(tensor.name) ?? []);
      rows.set(tensor.name, [...pieces, bytes.slice()]);
    }
    const whole = new Map(
      [...rows].map(([name, pieces]) => [name, new Uint8Array(Buffer.concat(pieces))]),
    );
    expectSameRows(whole, expectedModel(newer));
    expectSameRows(await collectRows(await visit().open(url)), expectedModel(newer));
  });

  it('ends with an error, and nothing stored, when a changed file has another header', async () => {
    const url = serveLong({ cutAfter: (number) => (number === 2 ? 300_000 : null) });
    const model = await visit().open(url);
    const chunks = model.chunks();
    await chunks.next();
    server.serve('/long.gguf', { bytes: ggufFile(longTensors(2).slice(1)), etag: '"two"' });
    const error = await failure(drain(chunks));
    expect(error).toMatchObject({ code: 'network', where: 'download/version' });
    expect(await visit().list()).toEqual([]);
  });

  it('keeps what it has when the connection drops for good', async () => {
    const url = serveLong({
      cutAfter: (number) => (number === 2 ? 300_000 : number > 2 ? 0 : null),
    });
    const error = await failure(visit().open(url).then(collectRows));
    expect(error).toMatchObject({ code: 'network', where: 'download/resume' });
    await settled();
    expect((await visit().list())[0]?.complete).toBe(false);
    serveLong();
    expectSameRows(await collectRows(await visit().open(url)), expectedModel(longTensors(1)));
  });

  it('of a local file goes on with the file alone', async () => {
    const local = () => new File([file], 'local.gguf', { lastModified: 5 });
    const model = await visit().open(local());
    const chunks = model.chunks();
    for (let i = 0; i < 5; i += 1) await chunks.next();
    await chunks.return(undefined);
    await settled();
    const error = await failure(visit().open(`store:${model.id}`));
    expect(error).toMatchObject({
      code: 'storage-corrupt',
      fix: expect.stringContaining('choose'),
    });
    expect((await load(local())).id).toBe(model.id);
  });

  it('two loads at once, without locks: both finish', async () => {
    const url = serve();
    const [first, second] = await Promise.all([visit().open(url), visit().open(url)]);
    const rows = await Promise.all([collectRows(first), collectRows(second)]);
    for (const found of rows) expectSameRows(found, expected);
    expect(await visit().verify(first.id)).toBe(true);
  });
});

describe('damage in the store', () => {
  /** Changes a byte of the shard at `index`. */
  async function damage(id: string, index: number): Promise<void> {
    const shards = new ShardStore(databaseName);
    const manifest = await shards.manifest(id);
    const record = manifest?.shards[index];
    if (!manifest || !record?.digest) throw new Error('no such shard');
    const bytes = await shards.shard(record);
    if (!bytes) throw new Error('no such shard');
    const copy = bytes.slice();
    copy[7] = (copy[7] ?? 0) ^ 1;
    await shards.addShard(id, index, record.digest, copy);
  }

  it('is repaired by fetching that shard alone', async () => {
    const url = serve();
    const { id } = await load(url);
    await damage(id, 2);
    server.forget();
    await load(url);
    expect(server.requests.length).toBe(1);
    expect(server.requests[0]?.range).toMatch(/^bytes=\d+-\d+$/);
    expect(server.sentBytes).toBeLessThan(25_000);
    server.files.clear();
    expect((await load(url)).cached).toBe(true);
  });

  it('is found by verify, and repaired by the next load', async () => {
    const url = serve();
    const { id } = await load(url);
    await damage(id, 1);
    expect(await visit().verify(id)).toBe(false);
    expect((await visit().list())[0]?.complete).toBe(false);
    await load(url);
    expect(await visit().verify(id)).toBe(true);
  });

  it('is an error where the network is gone, until it is back', async () => {
    const url = serve();
    const { id } = await load(url);
    await damage(id, 2);
    server.files.clear();
    const error = await failure(visit().open(url).then(collectRows));
    expect(error).toMatchObject({
      code: 'storage-corrupt',
      fix: expect.stringContaining('connection'),
    });
    serve();
    await load(url);
  });

  it('is an error where the local file is gone, until it is chosen again', async () => {
    const local = new File([file], 'local.gguf', { lastModified: 5 });
    const { id } = await load(local);
    await damage(id, 0);
    const error = await failure(visit().open(`store:${id}`).then(collectRows));
    expect(error.code).toBe('storage-corrupt');
    await load(local);
    expect((await load(`store:${id}`)).cached).toBe(true);
  });

  it('leads to a new download where the file on the server is another one now', async () => {
    const url = serve({ etag: null });
    const { id } = await load(url);
    await damage(id, 2);
    const newer = mixedTensors(50);
    server.serve('/model.gguf', { bytes: ggufFile(newer), etag: null });
    const rows = new Map<string, Uint8Array>();
    for await (const { tensor, firstRow, bytes } of (await visit().open(url)).chunks()) {
      if (firstRow === 0) rows.set(tensor.name, bytes.slice());
    }
    const first = expectedModel(newer).get('norm') ?? new Uint8Array();
    expect(Buffer.compare(rows.get('norm') ?? new Uint8Array(), first)).toBe(0);
    expectSameRows(await collectRows(await visit().open(url)), expectedModel(newer));
  });

  it('in the header leads to a new download', async () => {
    const url = serve();
    const { id } = await load(url);
    await new ShardStore(databaseName).update(id, (manifest) => {
      manifest.header.digest = 'wrong';
    });
    expect((await load(url)).cached).toBe(false);
    expect((await load(url)).cached).toBe(true);
  });

  it('an id that is not there', async () => {
    const id = '0'.repeat(32);
    expect(await failure(visit().open(`store:${id}`))).toMatchObject({ code: 'invalid-argument' });
    expect(await failure(visit().verify(id))).toMatchObject({ code: 'invalid-argument' });
    await visit().delete(id);
  });
});

describe('delete', () => {
  it('leaves nothing', async () => {
    const { id } = await load(serve());
    await visit().delete(id);
    expect(await visit().list()).toEqual([]);
    expect(await storedKeys()).toEqual([]);
  });

  it('leaves what another model shares', async () => {
    const here = await load(serve());
    const { length } = await storedKeys();
    const there = await load(server.serve('/copy.gguf', { bytes: file }));
    expect((await storedKeys()).length).toBe(length + 2);
    await visit().delete(here.id);
    server.files.clear();
    expect((await load(`store:${there.id}`)).cached).toBe(true);
    await visit().delete(there.id);
    expect(await storedKeys()).toEqual([]);
  });

  it('while the model is being downloaded: the load goes on, nothing is kept', async () => {
    const url = serve();
    const model = await visit().open(url);
    const rows = new Map<string, Uint8Array[]>();
    for await (const { tensor, bytes } of model.chunks()) {
      if (rows.size === 0) await visit().delete(model.id);
      rows.set(tensor.name, [...(rows.get(tensor.name) ?? []), bytes.slice()]);
    }
    const whole = [...rows].map(([name, pieces]) => [name, Buffer.concat(pieces)] as const);
    expectSameRows(new Map(whole), expected);
    expect(model.stored).toBe(false);
    expect(await storedKeys()).toEqual([]);
  });
});

describe('quota', () => {
  it('is checked before the download', async () => {
    const estimate = async () => ({ quota: 100 * mebibyte, usage: 100 * mebibyte - 50_000 });
    vi.stubGlobal('navigator', { storage: { estimate } });
    const url = serveLong();
    const error = await failure(visit().open(url));
    expect(error).toMatchObject({ code: 'storage-quota', detail: { availableBytes: 50_000 } });
    expect(error.detail.neededBytes).toBeGreaterThan(6_000_000);
    expect(error.fix).toContain('cache: false');
    expect(server.sentBytes).toBeLessThan(6_000_000);
    expect(await storedKeys()).toEqual([]);
    expectSameRows(
      await collectRows(await visit().open(url, { cache: false })),
      expectedModel(longTensors(1)),
    );
  });

  it('that runs out in the middle ends the load and leaves nothing half-stored', async () => {
    const put = IDBObjectStore.prototype.put;
    let shards = 0;
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      value,
      key,
    ) {
      shards += String(key).startsWith('shard/') ? 1 : 0;
      if (shards > 3) throw new DOMException('no room', 'QuotaExceededError');
      return put.call(this, value, key);
    });
    const url = serve();
    const error = await failure(visit().open(url).then(collectRows));
    expect(error.code).toBe('storage-quota');
    expect(error.detail.availableBytes).toBeLessThan(Number(error.detail.neededBytes));
    expect(error.detail.availableBytes).toBeGreaterThan(40_000);
    expect(await storedKeys()).toEqual([]);
  });

  it('any other failure of the storage leaves the model usable', async () => {
    const url = serve();
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('disk on fire', 'UnknownError');
    });
    await load(url);
    expect(await storedKeys()).toEqual([]);
  });

  it('so does a browser without IndexedDB', async () => {
    vi.stubGlobal('indexedDB', undefined);
    const { cached, stored, id } = await load(serve());
    expect({ cached, stored }).toEqual({ cached: false, stored: false });
    expect(await visit().list()).toEqual([]);
    await visit().delete(id);
  });
});

describe('integrity', () => {
  const digestOf = (bytes: Uint8Array) =>
    `sha256-${createHash('sha256').update(bytes).digest('base64')}`;
  const padded = new Uint8Array([...file, ...new Uint8Array(100).fill(7)]);

  it.each([
    ['of an address', () => server.serve('/padded.gguf', { bytes: padded })],
    ['of a local file', () => new Blob([padded])],
    ['of an interrupted download', () => serveCut(padded)],
  ])('%s holds for the whole file, and for the stored copy', async (_, source) => {
    const integrity = digestOf(padded);
    const { id } = await load(source(), { integrity });
    server.files.clear();
    expect((await load(`store:${id}`, { integrity })).cached).toBe(true);
  });

  it.each([true, false])('that does not hold ends the load (cache: %s)', async (cache) => {
    const integrity = digestOf(new Uint8Array(1));
    const error = await failure(visit().open(serve(), { integrity, cache }).then(collectRows));
    expect(error).toMatchObject({ code: 'model-corrupt', where: 'shard-pass/integrity' });
    expect(await storedKeys()).toEqual([]);
  });

  it('of a copy that was never checked leads to a new download', async () => {
    const url = serve();
    await load(url);
    expect((await load(url, { integrity: digestOf(file) })).cached).toBe(false);
    expect((await load(url, { integrity: digestOf(file) })).cached).toBe(true);
  });

  it('is checked even where another load has stored the model meanwhile', async () => {
    const url = serve();
    const model = await visit().open(url, { integrity: digestOf(new Uint8Array(1)) });
    await load(url);
    expect((await failure(collectRows(model))).where).toBe('shard-pass/integrity');
  });

  it('cannot cover several files', async () => {
    const text = (value: unknown) => ({ bytes: new TextEncoder().encode(JSON.stringify(value)) });
    server.serve('/config.json', text({}));
    for (const name of ['a', 'b']) {
      const bytes = safetensorsFile([testTensor(name, 'f32', [4, 4], 1)]);
      server.serve(`/${name}.safetensors`, { bytes });
    }
    const map = { weight_map: { a: 'a.safetensors', b: 'b.safetensors' } };
    const url = server.serve('/model.safetensors.index.json', text(map));
    const error = await failure(visit().open(url, { integrity: digestOf(file) }));
    expect(error.code).toBe('invalid-argument');
  });
});

describe('progress', () => {
  it('of a stored model is of phase verify, and cached', async () => {
    const url = serve();
    await load(url);
    const reports: LoadProgress[] = [];
    await load(url, { onProgress: (progress) => reports.push(progress) });
    expect(reports.at(-1)).toMatchObject({ phase: 'verify', cached: true, etaMs: 0 });
    expect(reports.at(-1)?.loadedBytes).toBe(reports.at(-1)?.totalBytes);
  });

  it('of a local file is of phase repack', async () => {
    const reports: LoadProgress[] = [];
    await load(new Blob([file]), { onProgress: (progress) => reports.push(progress) });
    expect(reports.every(({ phase, cached }) => phase === 'repack' && !cached)).toBe(true);
    expect(reports.at(-1)?.loadedBytes).toBe(reports.at(-1)?.totalBytes);
  });
});

/** Long enough that it is not read whole together with its header: 8 MB. */
function longTensors(seed: number): TestTensor[] {
  const last = zeroTensor('last', [7800, 256]);
  last.bytes.fill(seed);
  return [
    testTensor('first', 'q8_0', [700, 256], seed),
    testTensor('norm', 'f32', [256], seed),
    last,
  ];
}

function serveLong(options: Partial<ServedFile> = {}): string {
  return server.serve('/long.gguf', { bytes: ggufFile(longTensors(1)), ...options });
}

function serveCut(bytes: Uint8Array): string {
  return server.serve('/cut.gguf', {
    bytes,
    cutAfter: (number) => (number % 2 === 1 ? 70_000 : null),
  });
}

async function storedKeys(): Promise<IDBValidKey[]> {
  await settled();
  const opening = indexedDB.open(databaseName);
  const database = await new Promise<IDBDatabase>((resolve) => {
    opening.onsuccess = () => resolve(opening.result);
  });
  const names = [...database.objectStoreNames];
  if (names.length === 0) return [];
  const request = database.transaction('weights').objectStore('weights').getAllKeys();
  const keys = await new Promise<IDBValidKey[]>((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  database.close();
  return keys;
}

/** Writes that a load leaves behind when it ends early are done after this. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function drain(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps);
}

async function failure(work: Promise<unknown>): Promise<VitrailError> {
  return work.then(
    () => expect.unreachable('it did not fail'),
    (thrown) => thrown as VitrailError,
  );
}

function expectSameRows(
  actual: ReadonlyMap<string, Uint8Array>,
  wanted: ReadonlyMap<string, Uint8Array>,
): void {
  expect([...actual.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, bytes] of wanted) {
    expect(Buffer.compare(actual.get(name) ?? new Uint8Array(), bytes), name).toBe(0);
  }
}
