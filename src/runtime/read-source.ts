import { invalidArgument, throwIfAborted } from '../errors.ts';
import { RemoteFile } from '../storage/download.ts';
import { ProgressMeter } from '../storage/progress.ts';
import { locate } from '../storage/source.ts';
import type { LoadOptions, Source } from '../types.ts';

/** The whole of a file, for what is small enough to be in memory. Throws `network`, `aborted`, `invalid-argument`. */
export async function readSource(
  source: Source,
  { signal, onProgress }: Pick<LoadOptions, 'signal' | 'onProgress'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const location = await locate(source, signal);
  if (location.kind === 'stored') {
    throw invalidArgument(
      'avatar/source',
      'A stored model is no avatar.',
      'Pass the address or the File of an avatar or of splats.',
    );
  }
  const file = location.kind === 'remote' ? new RemoteFile(location.url) : location.source;
  const progress = new ProgressMeter(onProgress);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const piece of file.stream(0, null, signal)) {
    throwIfAborted(signal, 'avatar/source');
    progress.stage({ phase: 'download', totalBytes: file.size ?? 0, cached: false });
    progress.add(piece.byteLength);
    pieces.push(piece.slice());
    bytes += piece.byteLength;
  }
  progress.stage({ phase: 'download', totalBytes: bytes, cached: false });
  progress.finish();
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
