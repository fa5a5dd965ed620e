import { VitrailError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

/** Reads a stream of bytes forward, without joining its pieces. Positions are bytes of the file. */
export class ByteReader {
  readonly #stream: AsyncGenerator<Uint8Array>;
  readonly #onPiece: (piece: Uint8Array) => void;
  #position: number;
  #piece: Uint8Array = new Uint8Array(0);

  /** `onPiece` sees each piece as it arrives. */
  constructor(
    source: ByteSource,
    from: number,
    to: number | null,
    onPiece: (piece: Uint8Array) => void,
    signal?: AbortSignal,
  ) {
    this.#stream = source.stream(from, to, signal);
    this.#position = from;
    this.#onPiece = onPiece;
  }

  /** The next byte that `take` returns. */
  get position(): number {
    return this.#position;
  }

  /** The next bytes: at least one, at most `max`. Throws `model-corrupt` at the end of the file. */
  async take(max: number): Promise<Uint8Array> {
    if (this.#piece.byteLength === 0 && !(await this.#next())) throw this.#ended();
    const taken = this.#piece.subarray(0, max);
    this.#piece = this.#piece.subarray(taken.byteLength);
    this.#position += taken.byteLength;
    return taken;
  }

  async skipTo(position: number): Promise<void> {
    while (this.#position < position) await this.take(position - this.#position);
  }

  async drain(): Promise<void> {
    do {
      this.#position += this.#piece.byteLength;
    } while (await this.#next());
  }

  async close(): Promise<void> {
    await this.#stream.return(undefined);
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#stream.next();
    this.#piece = done ? new Uint8Array(0) : value;
    this.#onPiece(this.#piece);
    return !done;
  }

  #ended(): VitrailError {
    return new VitrailError(
      'model-corrupt',
      `The file ends at byte ${this.#position}, in the middle of its weights.`,
      {
        where: 'byte-reader/take',
        fix: 'The file is not whole: download or upload it again.',
        detail: { bytes: this.#position },
      },
    );
  }
}
