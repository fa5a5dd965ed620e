import { abortedError, VitrailError } from '../errors.ts';
import { delay } from './abort.ts';
import type { ByteSource } from './byte-source.ts';

/** What a server says about the version of a file. Two answers with the same validator are of the same bytes. */
export interface FileValidator {
  etag: string | null;
  lastModified: string | null;
}

export interface RetryPolicy {
  /** Failures in a row that are borne after bytes have come; any progress starts the count anew. */
  retries: number;
  /** Failures that are borne before the server has answered for the first time: a wrong address should not take long. */
  firstRetries: number;
  /** Wait before the first retry; each later one doubles it, up to 8 s. */
  firstDelayMs: number;
  /** A connection that is silent for so long counts as dropped. */
  stallMs: number;
}

const defaultRetryPolicy: RetryPolicy = {
  retries: 6,
  firstRetries: 2,
  firstDelayMs: 200,
  stallMs: 30_000,
};

const maxDelayMs = 8_000;
const transientStatuses: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** The file on the server is not the one that was begun: what came of it is worthless. */
export class FileChanged extends VitrailError {
  constructor(url: string) {
    super('network', `${url} changed while it was being read.`, {
      where: 'download/version',
      fix: 'Load the model again: it is then read from the beginning.',
      detail: { url },
    });
  }
}

/** One attempt that failed. */
class AttemptFailed extends Error {
  readonly error: VitrailError;
  readonly transient: boolean;
  readonly retryAfterMs: number;

  constructor(error: VitrailError, transient: boolean, retryAfterMs = 0) {
    super(error.message);
    this.error = error;
    this.transient = transient;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * A file on an HTTP server. A stream that is cut goes on at the byte where it ended (Range and If-Range); where the
 * server knows no ranges it starts over and passes over what it has. Throws `network`, `aborted` and `FileChanged`.
 */
export class RemoteFile implements ByteSource {
  readonly url: string;
  readonly #policy: RetryPolicy;
  #size: number | null;
  #validator: FileValidator | null;
  #reached = false;
  /** The body is compressed on its way, so byte ranges of the file cannot be asked for. */
  #encoded = false;
  /** False once a server has refused the CORS preflight that If-Range needs; the validator is then compared here. */
  #ifRangeAllowed = true;

  constructor(
    url: string,
    known: { size: number | null; validator: FileValidator | null } | null = null,
    policy: Partial<RetryPolicy> = {},
  ) {
    this.url = url;
    this.#size = known?.size ?? null;
    this.#validator = known?.validator ?? null;
    this.#policy = { ...defaultRetryPolicy, ...policy };
  }

  get size(): number | null {
    return this.#size;
  }

  get validator(): FileValidator | null {
    return this.#validator;
  }

  async *stream(from: number, to: number | null, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = from;
    let failures = 0;
    while (!this.#ended(at, to)) {
      try {
        for await (const bytes of this.#attempt(at, to, signal)) {
          at += bytes.byteLength;
          failures = 0;
          yield bytes;
        }
        if (to === null && this.#size === null) return;
        if (!this.#ended(at, to)) throw this.#dropped(at);
      } catch (thrown) {
        failures += 1;
        await this.#beforeRetry(thrown, failures, signal);
      }
    }
  }

  /** Asks the server for one byte to learn whether the file is still the known one. Throws `FileChanged` if not. */
  async checkUnchanged(signal?: AbortSignal): Promise<void> {
    for await (const _ of this.stream(0, 1, signal)) return;
  }

  #ended(at: number, to: number | null): boolean {
    const end = to ?? this.#size;
    return end !== null && at >= end;
  }

  async #beforeRetry(
    thrown: unknown,
    failures: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (signal?.aborted) throw abortedError('download/stream', signal.reason);
    if (!(thrown instanceof AttemptFailed)) throw thrown;
    const { retries, firstRetries, firstDelayMs } = this.#policy;
    const allowed = this.#reached ? retries : firstRetries;
    if (!thrown.transient || failures > allowed) throw thrown.error;
    const backOffMs = firstDelayMs * 2 ** (failures - 1);
    await delay(Math.min(maxDelayMs, Math.max(backOffMs, thrown.retryAfterMs)), signal, 'download');
  }

  /** One request's bytes of [at, to). */
  async *#attempt(
    at: number,
    to: number | null,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const connection = new AbortController();
    const either = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal;
    try {
      const response = await this.#request(at, to, either);
      let position = this.#accept(response, at);
      const reader = response.body?.getReader();
      while (reader) {
        const { done, value } = await this.#unlessSilent(this.#read(reader, at), at);
        if (done) return;
        const first = Math.max(0, at - position);
        const last = Math.min(value.byteLength, (to ?? Number.POSITIVE_INFINITY) - position);
        position += value.byteLength;
        if (first < last) yield value.subarray(first, last);
        if (to !== null && position >= to) return;
      }
    } finally {
      connection.abort();
    }
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    at: number,
  ): Promise<ReadableStreamReadResult<Uint8Array>> {
    try {
      return await reader.read();
    } catch (cause) {
      throw this.#dropped(at, cause);
    }
  }

  async #request(at: number, to: number | null, signal: AbortSignal): Promise<Response> {
    const headers = new Headers();
    if (!this.#encoded && (at > 0 || to !== null)) {
      headers.set('range', `bytes=${at}-${to === null ? '' : to - 1}`);
      const version = this.#ifRangeAllowed ? ifRangeOf(this.#validator) : null;
      if (version !== null) headers.set('if-range', version);
    }
    try {
      const answer = fetch(this.url, { headers, signal, cache: 'no-store' });
      return await this.#unlessSilent(answer, at);
    } catch (cause) {
      if (cause instanceof AttemptFailed) throw cause;
      if (headers.has('if-range') && isCrossOrigin(this.url)) this.#ifRangeAllowed = false;
      throw new AttemptFailed(unreachableError(this.url, at, this.#size, cause), true);
    }
  }

  /** Checks the head of an answer and says at which byte of the file its body begins. */
  #accept(response: Response, at: number): number {
    const range = contentRange(response);
    if (response.status === 412) throw new FileChanged(this.url);
    if (response.status === 416) this.#adopt(response, range?.total ?? null);
    if (response.status !== 200 && response.status !== 206) throw statusFailure(this.url, response);
    this.#reached = true;
    if (response.status === 206) {
      this.#adopt(response, range?.total ?? null);
      const start = range?.start ?? at;
      if (start > at) throw statusFailure(this.url, response);
      return start;
    }
    const encoding = response.headers.get('content-encoding') ?? 'identity';
    this.#encoded = encoding !== 'identity';
    const length = response.headers.get('content-length');
    this.#adopt(response, this.#encoded || length === null ? null : Number(length));
    return 0;
  }

  /** Remembers size and version of the file, or throws `FileChanged` where they contradict what is known. */
  #adopt(response: Response, size: number | null): void {
    const validator: FileValidator = {
      etag: response.headers.get('etag'),
      lastModified: response.headers.get('last-modified'),
    };
    const sizeChanged = size !== null && this.#size !== null && size !== this.#size;
    if (sizeChanged || contradicts(this.#validator, validator)) throw new FileChanged(this.url);
    this.#size ??= size;
    if (validator.etag !== null || validator.lastModified !== null) this.#validator ??= validator;
  }

  /** Waits for the server, for as long as a silence may last. */
  async #unlessSilent<Value>(answer: Promise<Value>, at: number): Promise<Value> {
    const { stallMs } = this.#policy;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_, reject) => {
      const timedOut = new Error(`nothing came for ${stallMs} ms`);
      timer = setTimeout(() => reject(this.#dropped(at, timedOut)), stallMs);
    });
    try {
      return await Promise.race([answer, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  #dropped(at: number, cause?: unknown): AttemptFailed {
    return new AttemptFailed(droppedError(this.url, at, this.#size, cause), true);
  }
}

/** The strong validator that If-Range wants; null where the server gave none. */
function ifRangeOf(validator: FileValidator | null): string | null {
  if (validator?.etag && !validator.etag.startsWith('W/')) return validator.etag;
  return validator?.lastModified ?? null;
}

/** Two validators of which one lacks a field do not contradict each other in it. */
function contradicts(known: FileValidator | null, answered: FileValidator): boolean {
  if (!known) return false;
  if (known.etag !== null && answered.etag !== null) {
    return known.etag.replace(/^W\//, '') !== answered.etag.replace(/^W\//, '');
  }
  const both = known.lastModified !== null && answered.lastModified !== null;
  return both && known.lastModified !== answered.lastModified;
}

/** `Content-Range: bytes 10-19/100`; null where it is absent or hidden by CORS. */
function contentRange(response: Response): { start: number | null; total: number | null } | null {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(
    response.headers.get('content-range') ?? '',
  );
  if (!match) return null;
  return {
    start: match[1] === undefined ? null : Number(match[1]),
    total: match[2] === '*' ? null : Number(match[2]),
  };
}

function isCrossOrigin(url: string): boolean {
  const here = globalThis.location?.origin;
  return here !== undefined && new URL(url).origin !== here;
}

function statusFailure(url: string, response: Response): AttemptFailed {
  const { status } = response;
  const error = new VitrailError('network', `The server answered ${status} for ${url}.`, {
    where: 'download/status',
    fix: statusFix(status),
    detail: { url, status },
  });
  const retryAfterSeconds = Number(response.headers.get('retry-after') ?? 0);
  const retryAfterMs = Number.isFinite(retryAfterSeconds) ? retryAfterSeconds * 1000 : 0;
  return new AttemptFailed(error, transientStatuses.includes(status), retryAfterMs);
}

function statusFix(status: number): string {
  if (status === 404 || status === 410) {
    return 'There is no such file: check the address, the repository, the file name and the revision.';
  }
  if (status === 401 || status === 403) {
    return 'The file is not public: use one that needs no login, or serve a copy of it yourself.';
  }
  if (status === 416) {
    return 'The file on the server is shorter than it was: upload it whole, then load it again.';
  }
  if (status === 429) return 'The server asks for a pause: load the model again in a few minutes.';
  if (status >= 500) return 'The server has a problem: load the model again later.';
  return 'Check the address; the server must answer a plain GET with the file.';
}

function unreachableError(
  url: string,
  at: number,
  size: number | null,
  cause: unknown,
): VitrailError {
  if (at > 0) return droppedError(url, at, size, cause);
  const fix = isCrossOrigin(url)
    ? 'Check the connection and the address. The server is not the one of this page, so it must also allow it by CORS: Access-Control-Allow-Origin (Hugging Face does).'
    : 'Check the connection and the address, and that the server runs.';
  return new VitrailError('network', `${url} could not be reached.`, {
    where: 'download/connect',
    fix,
    detail: { url, crossOrigin: isCrossOrigin(url) },
    cause,
  });
}

function droppedError(url: string, at: number, size: number | null, cause?: unknown): VitrailError {
  return new VitrailError(
    'network',
    `The connection ended after ${at} of ${size ?? 'an unknown number of'} bytes of ${url}.`,
    {
      where: 'download/resume',
      fix: 'Check the connection and load the model again: what is stored stays, and the download goes on from there.',
      detail: { url, receivedBytes: at, totalBytes: size },
      cause,
    },
  );
}
