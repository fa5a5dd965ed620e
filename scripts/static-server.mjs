/**
 * A small static file server with Range, If-Range and ETag. Tests plug faults in: cuts, missing Range, changed files, status codes.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/**
 * @typedef {object} Fault What goes wrong with a request; all fields are optional.
 * @property {number} [status] Answers with this status and nothing else.
 * @property {number} [cutAfterBytes] Drops the connection after this many bytes of the body.
 * @property {boolean} [noRange] Ignores Range, and does not offer it.
 * @property {string} [etag] Answers with this ETag instead of the file's.
 * @property {number} [delayMs] Waits before the answer.
 * @property {number} [bytesPerSecond] Sends slowly.
 *
 * @typedef {object} ServerOptions
 * @property {Record<string, string>} roots Folders (or files) by the path that they are served under, longest first.
 * @property {number} [port] 0 chooses a free one.
 * @property {Record<string, string>} [headers] Sent with every answer.
 * @property {(request: import('node:http').IncomingMessage) => Fault | undefined} [fault]
 */

/**
 * Starts the server. `requests` counts what was asked for, by path.
 * @param {ServerOptions} options
 */
export async function startServer({ roots, port = 0, headers = {}, fault = () => undefined }) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    requests.push({ path: pathname, range: request.headers.range ?? null });
    const planned = fault(request) ?? {};
    if (planned.delayMs) await sleep(planned.delayMs);
    const file = resolveFile(roots, decodeURIComponent(pathname));
    if (planned.status || !file) {
      response.writeHead(planned.status ?? 404, headers).end();
      return;
    }
    sendFile(request, response, file, { ...planned, headers });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: chosen } = server.address();
  return {
    url: `http://localhost:${chosen}`,
    requests,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function resolveFile(roots, pathname) {
  const clean = normalize(pathname);
  for (const [prefix, root] of Object.entries(roots)) {
    if (!clean.startsWith(prefix)) continue;
    const path =
      clean === prefix && existsSync(root) && statSync(root).isFile()
        ? root
        : join(root, clean.slice(prefix.length));
    if (!existsSync(path)) continue;
    return statSync(path).isDirectory() ? indexOf(path) : path;
  }
  return null;
}

function indexOf(folder) {
  const index = join(folder, 'index.html');
  return existsSync(index) ? index : null;
}

function sendFile(request, response, file, options) {
  const { size, mtimeMs } = statSync(file);
  const etag = options.etag ?? `"${size}-${Math.floor(mtimeMs)}"`;
  const base = {
    'Content-Type': types[extname(file)] ?? 'application/octet-stream',
    ETag: etag,
    ...options.headers,
    ...(options.noRange ? {} : { 'Accept-Ranges': 'bytes' }),
  };
  const range = options.noRange ? null : requestedRange(request, size, etag);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...base, 'Content-Range': `bytes */${size}` }).end();
    return;
  }
  const [from, to] = range ?? [0, size - 1];
  response.writeHead(range ? 206 : 200, {
    ...base,
    'Content-Length': to - from + 1,
    ...(range ? { 'Content-Range': `bytes ${from}-${to}/${size}` } : {}),
  });
  if (request.method === 'HEAD') response.end();
  else sendBody(response, file, from, to, options);
}

function requestedRange(request, size, etag) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  if (!match || (condition !== undefined && condition !== etag)) return null;
  const from = Number(match[1]);
  const to = Math.min(match[2] ? Number(match[2]) : size - 1, size - 1);
  return from > to ? 'unsatisfiable' : [from, to];
}

async function sendBody(response, file, from, to, fault) {
  try {
    await pipeline(Readable.from(piecesOf(file, from, to, fault)), response);
  } catch {
    // A planned cut, or a client that has gone: the connection is closed either way.
    response.destroy();
  }
}

async function* piecesOf(
  file,
  from,
  to,
  { cutAfterBytes = Number.POSITIVE_INFINITY, bytesPerSecond },
) {
  let left = cutAfterBytes;
  if (to < from) return;
  for await (const piece of createReadStream(file, { start: from, end: to })) {
    if (piece.length > left) {
      yield piece.subarray(0, left);
      // What was sent must be on its way before the connection is cut.
      await sleep(20);
      throw new Error('planned cut');
    }
    yield piece;
    left -= piece.length;
    if (bytesPerSecond) await sleep((piece.length / bytesPerSecond) * 1000);
  }
}
