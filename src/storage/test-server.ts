import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the server treats one file. Change the fields while it runs. */
export interface ServedFile {
  bytes: Uint8Array;
  etag?: string | null;
  lastModified?: string;
  /** Default true. Without ranges every answer is the whole file. */
  ranges?: boolean;
  /** Default true. Without it the body is chunked and its length unknown. */
  contentLength?: boolean;
  /** Cuts the connection after so many bytes of the body; asked anew for each request. */
  cutAfter?: (requestNumber: number) => number | null;
  /** Ends the body properly after so many bytes, as a server with a broken copy does. Needs `contentLength: false`. */
  endAfter?: number;
  /** Answers with this status and no file while it returns one. */
  status?: (requestNumber: number) => number | null;
  /** Stops sending after so many bytes, without a word. */
  stallAfter?: number;
  /** Wait before each 64 KiB. */
  delayMs?: number;
}

export interface ServedRequest {
  path: string;
  range: string | undefined;
  ifRange: string | undefined;
}

/** A real HTTP server whose faults can be chosen. */
export class TestServer {
  readonly files: Map<string, ServedFile> = new Map();
  readonly requests: ServedRequest[] = [];
  /** Bytes of bodies handed to the network. */
  sentBytes: number = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      // A client that has gone away is what many of these tests are about.
      response.on('error', () => {});
      void this.#answer(request, response);
    });
  }

  static async start(): Promise<TestServer> {
    const server = new TestServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Serves a file; returns its address. */
  serve(path: string, file: ServedFile): string {
    this.files.set(path, file);
    return `${this.origin}${path}`;
  }

  /** Forgets the requests that came so far. */
  forget(): void {
    this.requests.length = 0;
    this.sentBytes = 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const { range, 'if-range': ifRange } = request.headers;
    this.requests.push({ path, range, ifRange: ifRange as string | undefined });
    const number = this.requests.filter((other) => other.path === path).length;
    const file = this.files.get(path);
    const status = file ? (file.status?.(number) ?? null) : 404;
    if (!file || status !== null) {
      response.writeHead(status ?? 404).end('no such file');
      return;
    }
    await this.#send(file, number, response, rangeOf(file, range, ifRange as string | undefined));
  }

  async #send(
    file: ServedFile,
    number: number,
    response: ServerResponse,
    range: [number, number] | null,
  ): Promise<void> {
    const size = file.bytes.byteLength;
    if (file.etag !== null) response.setHeader('etag', file.etag ?? '"one"');
    if (file.lastModified) response.setHeader('last-modified', file.lastModified);
    const [from, to] = range ?? [0, size];
    if (range && from >= size) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    if (range) response.setHeader('content-range', `bytes ${from}-${to - 1}/${size}`);
    if (file.contentLength !== false) response.setHeader('content-length', to - from);
    response.writeHead(range ? 206 : 200);
    const cut = file.cutAfter?.(number) ?? null;
    const body = file.bytes.subarray(from, Math.min(to, from + (cut ?? file.endAfter ?? size)));
    for (let at = 0; at < body.byteLength && !response.destroyed; at += 65_536) {
      if (file.stallAfter !== undefined && at >= file.stallAfter) return;
      if (file.delayMs) await new Promise((resolve) => setTimeout(resolve, file.delayMs));
      await this.#write(response, body.subarray(at, at + 65_536));
    }
    if (cut !== null && cut < to - from) response.destroy();
    else response.end();
  }

  /** Resolves when the bytes are on their way, or the client has gone. */
  #write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
    this.sentBytes += bytes.byteLength;
    return new Promise((resolve) => {
      const done = (): void => {
        response.off('close', done);
        resolve();
      };
      response.once('close', done);
      response.write(bytes, done);
    });
  }
}

/** The bytes [from, to) that a Range header asks for, where the file and If-Range allow it. */
function rangeOf(
  file: ServedFile,
  range: string | undefined,
  ifRange: string | undefined,
): [number, number] | null {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!match || file.ranges === false) return null;
  const versions = [file.etag === null ? undefined : (file.etag ?? '"one"'), file.lastModified];
  if (ifRange !== undefined && !versions.includes(ifRange)) return null;
  const size = file.bytes.byteLength;
  return [Number(match[1]), match[2] ? Math.min(Number(match[2]) + 1, size) : size];
}
