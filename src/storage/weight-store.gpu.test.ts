import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cdp } from 'vitest/browser';
import type { VitrailError } from '../errors.ts';
import type { LoadProgress } from '../types.ts';
import { defaultShardBytes } from './shard-plan.ts';
import { ShardStore } from './shard-store.ts';
import { collectRows, expectedModel, ggufFile, mixedTensors, zeroTensor } from './test-models.ts';
import { WeightStore } from './weight-store.ts';

/** What an IndexedDB in memory cannot show: real storage, Web Locks, quota, WebCrypto and the heap, in Chromium. */
const mebibyte = 2 ** 20;
const url = 'https://models.example/model.gguf';

interface Served {
  size: number;
  /** The bytes [from, to); they may be a view of anything. */
  read(from: number, to: number): Uint8Array<ArrayBuffer>;
}

interface Network {
  ranges: (string | null)[];
  sentBytes: number;
}

let databaseName: string;
beforeEach(() => {
  databaseName = `vitrail-test-${crypto.randomUUID()}`;
});
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  await emptyDatabase();
});

describe('quota', () => {
  afterEach(() => setQuota(undefined));

  it('that the browser reports is checked before the download', async () => {
    const network = stubNetwork(largeModel(200));
    vi.spyOn(navigator.storage, 'estimate').mockResolvedValue({ quota: 50 * mebibyte, usage: 7 });
    const error = await failure(drained(new WeightStore({ databaseName })));
    expect(error).toMatchObject({ code: 'storage-quota' });
    expect(error.detail.neededBytes).toBeGreaterThan(200 * mebibyte);
    expect(error.detail.availableBytes).toBe(50 * mebibyte - 7);
    expect(network.sentBytes).toBeLessThan(4 * mebibyte);
    expect(await new WeightStore({ databaseName }).list()).toEqual([]);
  });

  it('that runs out while writing ends the load and leaves nothing half-stored', async () => {
    stubNetwork(largeModel(120));
    await setQuota(60 * mebibyte);
    const store = new WeightStore({ databaseName });
    const error = await failure(drained(store));
    expect(error).toMatchObject({ code: 'storage-quota' });
    expect(error.detail.availableBytes).toBeLessThan(60 * mebibyte);
    expect(await store.list()).toEqual([]);
    expect(await storedKeys()).toEqual([]);
  });
});

describe('in a real browser', () => {
  it('a model is stored, verified and read back without the network', async () => {
    const tensors = mixedTensors();
    const network = stubNetwork(wholeFile(ggufFile(tensors)));
    const store = new WeightStore({ databaseName, maxShardBytes: 20_000 });
    const cold = await store.open(url);
    expectSame(await collectRows(cold), expectedModel(tensors));
    network.ranges.length = 0;
    const warm = await new WeightStore({ databaseName, maxShardBytes: 20_000 }).open(url);
    expect(warm.cached).toBe(true);
    expectSame(await collectRows(warm), expectedModel(tensors));
    expect(network.ranges).toEqual([]);
    expect(await store.verify(cold.id)).toBe(true);
    await store.delete(cold.id);
    expect(await store.list()).toEqual([]);
  });

  it('two loads at once download a model once; the second shows the progress of the first', async () => {
    const network = stubNetwork(largeModel(80));
    const reports: LoadProgress[] = [];
    const load = async (onProgress?: (progress: LoadProgress) => void): Promise<number> => {
      const model = await new WeightStore({ databaseName }).open(
        url,
        onProgress ? { onProgress } : {},
      );
      let bytes = 0;
      for await (const chunk of model.chunks()) bytes += chunk.bytes.byteLength;
      return bytes;
    };
    const first = load();
    const second = load((progress) => reports.push(progress));
    expect(await first).toBe(80 * mebibyte);
    expect(await second).toBe(80 * mebibyte);
    // Each reads the header; what its connection had sent beyond it comes twice.
    expect(network.ranges.filter((range) => range !== null).length).toBe(1);
    expect(network.sentBytes).toBeLessThan(84 * mebibyte);
    expect(reports.some(({ loadedBytes }) => loadedBytes > 0)).toBe(true);
    expect(reports.at(-1)?.loadedBytes).toBe(reports.at(-1)?.totalBytes);
  });

  it('a waiting load can be aborted within 100 ms', async () => {
    stubNetwork(largeModel(40));
    const store = new WeightStore({ databaseName });
    const model = await store.open(url);
    const chunks = model.chunks();
    await chunks.next();
    const aborter = new AbortController();
    const waiting = store.open(url, { signal: aborter.signal });
    const error = waiting.catch((thrown: VitrailError) => thrown);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const abortedAt = performance.now();
    aborter.abort();
    expect(await error).toMatchObject({ code: 'aborted' });
    expect(performance.now() - abortedAt).toBeLessThan(100);
    await chunks.return(undefined);
  });

  it('a shard that was changed on disk is fetched again', async () => {
    const network = stubNetwork(largeModel(40));
    const store = new WeightStore({ databaseName });
    const { id } = await drained(store);
    const shards = new ShardStore(databaseName);
    const manifest = await shards.manifest(id);
    const digest = manifest?.shards[2]?.digest ?? '';
    await shards.addShard(id, 2, digest, new Uint8Array(defaultShardBytes).fill(1));
    network.ranges.length = 0;
    expect((await drained(store)).cached).toBe(true);
    expect(network.ranges).toEqual([expect.stringMatching(/^bytes=\d+-\d+$/)]);
    expect(await store.verify(id)).toBe(true);
  });
});

describe('memory', () => {
  it('stays below 96 MiB above idle, however large the model', async () => {
    const size = 400;
    stubNetwork(largeModel(size));
    const store = new WeightStore({ databaseName });
    await collectGarbage();
    const idle = await heapBytes();
    let peak = 0;
    const readThrough = async (): Promise<void> => {
      const model = await store.open(url);
      let bytes = 0;
      for await (const chunk of model.chunks()) {
        bytes += chunk.bytes.byteLength;
        peak = Math.max(peak, (await heapBytes()) - idle);
      }
      expect(bytes).toBe(size * mebibyte);
    };
    await readThrough();
    console.info(`cold: ${size} MiB streamed, peak heap +${(peak / mebibyte).toFixed(0)} MiB`);
    expect(peak).toBeLessThan(96 * mebibyte);
    peak = 0;
    await readThrough();
    console.info(`warm: ${size} MiB streamed, peak heap +${(peak / mebibyte).toFixed(0)} MiB`);
    expect(peak).toBeLessThan(96 * mebibyte);
  });
});

describe('speed', () => {
  it('of a warm load beside plain reads of the same bytes (printed, not judged)', async () => {
    stubNetwork(largeModel(96));
    const store = new WeightStore({ databaseName });
    const { id } = await drained(store);
    const plain: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      plain.push(await timed(() => readPlainly(id)));
      warm.push(await timed(() => drained(store)));
    }
    const [plainMs, warmMs] = [Math.min(...plain), Math.min(...warm)];
    const ratio = (warmMs / plainMs).toFixed(2);
    console.info(
      `96 MiB: plain reads ${plainMs.toFixed(0)} ms, warm load ${warmMs.toFixed(0)} ms, ${ratio}×`,
    );
    expect(await store.verify(id)).toBe(true);
  });
});

/** Everything in the model's shards, one read after the other, without checks. */
async function readPlainly(id: string): Promise<void> {
  const manifest = await new ShardStore(databaseName).manifest(id);
  const database = await openDatabase();
  for (const { digest } of manifest?.shards ?? []) {
    const store = database.transaction('weights').objectStore('weights');
    await settled(store.get(`shard/1/${digest}`));
  }
  database.close();
}

async function drained(store: WeightStore): Promise<{ id: string; cached: boolean }> {
  const model = await store.open(url);
  for await (const _ of model.chunks());
  return model;
}

/** A model of one matrix of so many MiB. No two of them are alike, nor can the browser compress them. */
function largeModel(mebibytes: number): Served {
  const { bytes: _, ...matrix } = zeroTensor('matrix', [1, 1024]);
  const shape = [(mebibytes * mebibyte) / 4096, 1024];
  const head = ggufFile([{ ...matrix, shape, bytes: new Uint8Array(0) }]);
  const piece = new Uint8Array(mebibyte);
  for (let at = 0; at < mebibyte; at += 65_536) {
    crypto.getRandomValues(piece.subarray(at, at + 65_536));
  }
  return {
    size: head.byteLength + mebibytes * mebibyte,
    read(from, to) {
      if (from < head.byteLength) return head.subarray(from, Math.min(to, head.byteLength));
      const at = from - head.byteLength;
      const first = at % mebibyte;
      piece[0] = at / mebibyte;
      return piece.subarray(first, Math.min(first + to - from, mebibyte));
    },
  };
}

function wholeFile(bytes: Uint8Array<ArrayBuffer>): Served {
  return {
    size: bytes.byteLength,
    read: (from, to) => bytes.subarray(from, Math.min(to, from + 65_536)),
  };
}

/** Answers every fetch with the file, Range and ETag included, as fast as it is read. */
function stubNetwork(file: Served): Network {
  const network: Network = { ranges: [], sentBytes: 0 };
  vi.stubGlobal('fetch', async (_: string, { headers, signal }: RequestInit) => {
    const range = new Headers(headers).get('range');
    network.ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    let at = Number(first ?? 0);
    const end = last ? Number(last) + 1 : file.size;
    const answer = { 'content-length': `${end - at}`, etag: '"one"' };
    const partial = { ...answer, 'content-range': `bytes ${at}-${end - 1}/${file.size}` };
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (signal?.aborted) return controller.error(signal.reason);
          const bytes = file.read(at, end);
          at += bytes.byteLength;
          network.sentBytes += bytes.byteLength;
          controller.enqueue(bytes);
          if (at >= end) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { status: range ? 206 : 200, headers: range ? partial : answer });
  });
  return network;
}

async function setQuota(quotaSize: number | undefined): Promise<void> {
  const { origin } = location;
  const session = cdp() as unknown as CdpSession;
  await session.send(
    'Storage.overrideQuotaForOrigin',
    quotaSize === undefined ? { origin } : { origin, quotaSize },
  );
}

interface CdpSession {
  send(method: string, params?: object): Promise<Record<string, number>>;
}

async function collectGarbage(): Promise<void> {
  await (cdp() as unknown as CdpSession).send('HeapProfiler.collectGarbage');
}

/** JavaScript objects and the contents of array buffers. */
async function heapBytes(): Promise<number> {
  const usage = await (cdp() as unknown as CdpSession).send('Runtime.getHeapUsage');
  return (usage.usedSize ?? 0) + (usage.backingStorageSize ?? 0);
}

function openDatabase(): Promise<IDBDatabase> {
  return settled(indexedDB.open(databaseName));
}

function settled<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function storedKeys(): Promise<IDBValidKey[]> {
  const database = await openDatabase();
  const keys = await settled(database.transaction('weights').objectStore('weights').getAllKeys());
  database.close();
  return keys;
}

/** The store holds its connection open, so the database itself cannot go. */
async function emptyDatabase(): Promise<void> {
  const database = await openDatabase();
  const [name] = database.objectStoreNames;
  if (name) await settled(database.transaction(name, 'readwrite').objectStore(name).clear());
  database.close();
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function failure(work: Promise<unknown>): Promise<VitrailError> {
  return work.then(
    () => expect.unreachable('it did not fail'),
    (thrown) => thrown as VitrailError,
  );
}

function expectSame(
  actual: ReadonlyMap<string, Uint8Array>,
  wanted: ReadonlyMap<string, Uint8Array>,
): void {
  expect([...actual.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, bytes] of wanted) {
    const found = actual.get(name) ?? new Uint8Array();
    expect(found.byteLength, name).toBe(bytes.byteLength);
    expect(
      found.every((byte, index) => byte === bytes[index]),
      name,
    ).toBe(true);
  }
}
