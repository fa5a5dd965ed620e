import { VitrailError } from '../errors.ts';

/** A file that can be read from any byte on. */
export interface ByteSource {
  /** Bytes of the whole file; null while unknown. */
  readonly size: number | null;
  /**
   * Bytes [from, to) in order, in pieces of any length; `to` null: up to the end of the file. Nothing is read before the
   * consumer asks for it, apart from what the network buffers.
   */
  stream(from: number, to: number | null, signal?: AbortSignal): AsyncGenerator<Uint8Array>;
}

/** How much of a local file is read at a time. */
const sliceBytes = 4 * 2 ** 20;

/** A local file. It stays on disk; slices are read as they are needed. */
export class BlobSource implements ByteSource {
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  get size(): number {
    return this.#blob.size;
  }

  async *stream(from: number, to: number | null): AsyncGenerator<Uint8Array> {
    const end = Math.min(to ?? this.size, this.size);
    for (let at = from; at < end; at += sliceBytes) {
      yield new Uint8Array(await this.#read(at, Math.min(at + sliceBytes, end)));
    }
  }

  async #read(from: number, to: number): Promise<ArrayBuffer> {
    try {
      return await this.#blob.slice(from, to).arrayBuffer();
    } catch (cause) {
      throw new VitrailError('invalid-argument', 'The local file can no longer be read.', {
        where: 'byte-source/read',
        fix: 'It was moved, changed or removed after it was chosen: choose it again.',
        cause,
      });
    }
  }
}

/** Bytes that are in memory already. */
export class BufferSource implements ByteSource {
  readonly #bytes: Uint8Array;

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new Uint8Array(buffer);
  }

  get size(): number {
    return this.#bytes.byteLength;
  }

  async *stream(from: number, to: number | null): AsyncGenerator<Uint8Array> {
    const end = to ?? this.size;
    if (from < Math.min(end, this.size)) yield this.#bytes.subarray(from, end);
  }
}

/** A source whose first bytes have been read already; they are not read again. */
export class PrefixedSource implements ByteSource {
  readonly #prefix: Uint8Array;
  readonly #rest: ByteSource;

  constructor(prefix: Uint8Array, rest: ByteSource) {
    this.#prefix = prefix;
    this.#rest = rest;
  }

  get size(): number | null {
    return this.#rest.size;
  }

  async *stream(from: number, to: number | null, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const known = Math.min(this.#prefix.byteLength, to ?? Number.POSITIVE_INFINITY);
    if (from < known) yield this.#prefix.subarray(from, known);
    const next = Math.max(from, known);
    const end = to ?? this.size;
    if (end === null || next < end) yield* this.#rest.stream(next, to, signal);
  }
}
