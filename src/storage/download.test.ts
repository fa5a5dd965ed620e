import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VitrailError } from '../errors.ts';
import { Random } from '../testing/random.ts';
import { FileChanged, RemoteFile } from './download.ts';
import { type ServedFile, TestServer } from './test-server.ts';

const content = randomBytes(700_000, 1);
const policy = { firstDelayMs: 1, stallMs: 5_000 };

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
beforeEach(() => server.forget());
afterAll(() => server.stop());

function remote(file: Partial<ServedFile> = {}, known: RemoteFile | null = null): RemoteFile {
  return new RemoteFile(server.serve('/file', { bytes: content, ...file }), known, policy);
}

describe('RemoteFile', () => {
  it('reads a file in one plain request and learns its size and version', async () => {
    const file = remote({ lastModified: 'Mon, 23 Nov 2026 10:00:00 GMT' });
    expectSame(await read(file, 0, null), content);
    expect(server.requests).toEqual([{ path: '/file', range: undefined, ifRange: undefined }]);
    expect(file.size).toBe(content.byteLength);
    expect(file.validator).toEqual({
      etag: '"one"',
      lastModified: 'Mon, 23 Nov 2026 10:00:00 GMT',
    });
  });

  it('reads a part of a file', async () => {
    expectSame(await read(remote(), 1_000, 200_001), content.subarray(1_000, 200_001));
    expect(server.requests[0]?.range).toBe('bytes=1000-200000');
    expect(server.sentBytes).toBe(199_001);
  });

  it('goes on where the connection was cut, wherever that was', async () => {
    const random = new Random(7);
    const cuts = Array.from({ length: 12 }, () => random.uint32() % 150_000);
    cuts[3] = 0;
    const file = remote({ cutAfter: (number) => cuts[number - 1] ?? null });
    expectSame(await read(file, 0, null), content);
    const resumed = server.requests.slice(1);
    expect(resumed.length).toBeGreaterThan(5);
    expect(resumed.every(({ range }) => /^bytes=\d+-$/.test(range ?? 'whole'))).toBe(true);
    expect(resumed.at(-1)?.ifRange).toBe('"one"');
    expect(server.sentBytes).toBeLessThanOrEqual(content.byteLength + 12);
  });

  it('starts over where the server knows no ranges, and passes over what it has', async () => {
    const file = remote({ ranges: false, cutAfter: (number) => number * 180_000 });
    expectSame(await read(file, 0, null), content);
    expect(server.requests.length).toBe(4);
    expectSame(await read(file, 650_000, null), content.subarray(650_000));
  });

  it('goes on with a new connection where the server falls silent', async () => {
    const url = server.serve('/file', { bytes: content, stallAfter: 262_144 });
    const file = new RemoteFile(url, null, { firstDelayMs: 1, stallMs: 60 });
    expectSame(await read(file, 0, null), content);
    expect(server.requests.map(({ range }) => range)).toEqual([
      undefined,
      'bytes=262144-',
      'bytes=524288-',
    ]);
  });

  it('resumes by date where there is no ETag', async () => {
    const lastModified = 'Mon, 23 Nov 2026 10:00:00 GMT';
    const file = remote({ etag: null, lastModified, cutAfter: cutFirst(100_000) });
    expectSame(await read(file, 0, null), content);
    expect(server.requests[1]?.ifRange).toBe(lastModified);
  });

  it('resumes without any version, and without a known length', async () => {
    const cutAfter = cutFirst(100_000);
    expectSame(await read(remote({ etag: null, cutAfter }), 0, null), content);
    expectSame(await read(remote({ contentLength: false, cutAfter }), 0, null), content);
  });

  it.each([
    ['with ranges', true],
    ['without ranges', false],
  ])('tells that the ETag has changed, %s', async (_, ranges) => {
    const file = remote({ ranges, cutAfter: cutFirst(100_000) });
    const stream = file.stream(0, null);
    await stream.next();
    server.serve('/file', { bytes: randomBytes(700_000, 2), etag: '"two"', ranges });
    await expect(drain(stream)).rejects.toBeInstanceOf(FileChanged);
  });

  it('tells that a file without a version has another length now', async () => {
    const file = remote({ etag: null, cutAfter: cutFirst(100_000) });
    const stream = file.stream(0, null);
    await stream.next();
    server.serve('/file', { bytes: randomBytes(700_001, 2), etag: null });
    await expect(drain(stream)).rejects.toBeInstanceOf(FileChanged);
  });

  it('checks with one byte whether a file is still the known one', async () => {
    const file = remote();
    await read(file, 0, null);
    await remote({}, file).checkUnchanged();
    await expect(remote({ etag: '"two"' }, file).checkUnchanged()).rejects.toMatchObject({
      code: 'network',
    });
    expect(server.requests.slice(1).map(({ range }) => range)).toEqual(['bytes=0-0', 'bytes=0-0']);
  });

  it('reads a compressed answer, and resumes it from the start', async () => {
    const text = new Uint8Array(300_000).fill(65);
    const packed = gzipSync(text);
    let requests = 0;
    const gzip = createServer((request, response) => {
      requests += 1;
      expect(request.headers.range).toBeUndefined();
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length });
      if (requests > 1) response.end(packed);
      else response.write(packed.subarray(0, packed.length - 20), () => response.destroy());
    });
    await new Promise<void>((resolve) => gzip.listen(0, '127.0.0.1', resolve));
    const { port } = gzip.address() as AddressInfo;
    const file = new RemoteFile(`http://127.0.0.1:${port}/`, null, policy);
    expectSame(await read(file, 0, null), text);
    expect(requests).toBe(2);
    await new Promise((resolve) => gzip.close(resolve));
  });
});

describe('from another origin', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('resumes without If-Range where the server refuses the preflight for it', async () => {
    const file = remote({ cutAfter: cutFirst(100_000) });
    const { fetch } = globalThis;
    vi.stubGlobal('location', { origin: 'https://page.example' });
    vi.stubGlobal('fetch', (url: string, init: RequestInit) =>
      new Headers(init.headers).has('if-range')
        ? Promise.reject(new TypeError('Failed to fetch'))
        : fetch(url, init),
    );
    expectSame(await read(file, 0, null), content);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-']);
  });

  it('names CORS where nothing can be fetched', async () => {
    vi.stubGlobal('location', { origin: 'https://page.example' });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    const error = await failure(read(remote(), 0, null));
    expect(error).toMatchObject({ code: 'network', detail: { crossOrigin: true } });
    expect(error.fix).toContain('Access-Control-Allow-Origin');
  });
});

describe('errors of RemoteFile', () => {
  it.each([
    [404, /no such file/],
    [403, /not public/],
    [418, /plain GET/],
  ])('%i is reported at once', async (status, fix) => {
    const error = await failure(read(remote({ status: () => status }), 0, null));
    expect(error).toMatchObject({ code: 'network', detail: { status } });
    expect(error.fix).toMatch(fix);
    expect(server.requests.length).toBe(1);
  });

  it('500 is tried again, and reported when it stays', async () => {
    const twice = remote({ status: (number) => (number <= 2 ? 500 : null) });
    expectSame(await read(twice, 0, null), content);
    server.forget();
    const error = await failure(read(remote({ status: () => 503 }), 0, null));
    expect(error).toMatchObject({ code: 'network', detail: { status: 503 } });
    expect(server.requests.length).toBe(3);
  });

  it('a server that is not there', async () => {
    const closed = await TestServer.start();
    const url = closed.serve('/file', { bytes: content });
    await closed.stop();
    const error = await failure(read(new RemoteFile(url, null, policy), 0, null));
    expect(error).toMatchObject({ code: 'network', where: 'download/connect', detail: { url } });
  });

  it('a connection that drops again and again without a byte', async () => {
    const cutAfter = (number: number) => (number === 1 ? 70_000 : 0);
    const error = await failure(read(remote({ cutAfter }), 0, null));
    expect(error).toMatchObject({ code: 'network', where: 'download/resume' });
    expect(error.detail).toMatchObject({ receivedBytes: 70_000, totalBytes: 700_000 });
    expect(server.requests.length).toBe(7);
  });

  it('content that is shorter than promised', async () => {
    const file = remote();
    await read(file, 0, 1);
    server.serve('/file', { bytes: content, endAfter: 0, contentLength: false });
    const error = await failure(read(file, 0, null));
    expect(error).toMatchObject({ code: 'network', where: 'download/resume' });
  });

  it('a file that ends before the bytes that are asked for', async () => {
    const error = await failure(read(remote(), 0, 700_001));
    expect(error).toMatchObject({ code: 'network', detail: { status: 416 } });
  });

  it.each([
    ['while bytes come', { delayMs: 20 }],
    ['while the server is silent', { stallAfter: 65_536 }],
    ['while waiting for the next attempt', { status: () => 503 }],
  ])('aborts within 100 ms %s', async (_, fault) => {
    const url = server.serve('/file', { bytes: content, ...fault });
    const file = new RemoteFile(url, null, { firstDelayMs: 10_000 });
    const aborter = new AbortController();
    let abortedAt = 0;
    setTimeout(() => {
      abortedAt = performance.now();
      aborter.abort();
    }, 50);
    const error = await failure(drain(file.stream(0, null, aborter.signal)));
    expect(error.code).toBe('aborted');
    expect(performance.now() - abortedAt).toBeLessThan(100);
  });
});

function cutFirst(bytes: number): (requestNumber: number) => number | null {
  return (number) => (number === 1 ? bytes : null);
}

function randomBytes(count: number, seed: number): Uint8Array {
  const random = new Random(seed);
  return Uint8Array.from({ length: count }, () => random.uint32() & 255);
}

async function read(file: RemoteFile, from: number, to: number | null): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of file.stream(from, to)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** Vitest's own comparison takes a second a megabyte. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.byteLength).toBe(expected.byteLength);
  expect(Buffer.compare(actual, expected)).toBe(0);
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function failure(work: Promise<unknown>): Promise<VitrailError> {
  return work.then(
    () => expect.unreachable('it did not fail'),
    (thrown) => thrown as VitrailError,
  );
}
