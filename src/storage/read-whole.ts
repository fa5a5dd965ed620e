import { invalidArgument, throwIfAborted } from '../errors.ts';
import type { LoadOptions, Source } from '../types.ts';
import { RemoteFile } from './download.ts';
import { ProgressMeter } from './progress.ts';
import { locate } from './source.ts';

export interface WholeOptions extends Pick<LoadOptions, 'signal' | 'onProgress'> {
  /** What to do where the source is no file of this kind. */
  fix: string;
  /** Beyond this it is none either; no limit by default. */
  maxBytes?: number;
}

/** The whole of a file, for what is small enough to be in memory. Throws `network`, `aborted`, `invalid-argument`. */
export async function readWhole(
  source: Source,
  { signal, onProgress, fix, maxBytes = Number.POSITIVE_INFINITY }: WholeOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const where = 'storage/read-whole';
  const location = await locate(source, signal);
  if (location.kind === 'stored') {
    throw invalidArgument(where, 'A stored language model is no file of this kind.', fix);
  }
  const file = location.kind === 'remote' ? new RemoteFile(location.url) : location.source;
  const progress = new ProgressMeter(onProgress);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const piece of file.stream(0, null, signal)) {
    throwIfAborted(signal, where);
    progress.stage({ phase: 'download', totalBytes: file.size ?? 0, cached: false });
    progress.add(piece.byteLength);
    pieces.push(piece.slice());
    bytes += piece.byteLength;
    if (bytes > maxBytes) {
      throw invalidArgument(
        where,
        `The file is larger than the ${maxBytes} bytes of its kind.`,
        fix,
      );
    }
  }
  progress.stage({ phase: 'download', totalBytes: bytes, cached: false });
  progress.finish();
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
