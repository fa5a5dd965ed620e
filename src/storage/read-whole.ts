import { VitrailError } from '../errors.ts';
import type { Source } from '../types.ts';
import { RemoteFile } from './download.ts';
import { locate } from './source.ts';

/** Beyond this a file is no small model. */
const maxBytes = 256 * 2 ** 20;

/** A small file as a whole, from wherever it is. Throws `network`, `aborted` and `invalid-argument`. */
export async function readWhole(source: Source, signal?: AbortSignal): Promise<Uint8Array> {
  const location = await locate(source, signal);
  if (location.kind === 'stored')
    throw unsuitable('A stored language model is no file of this kind.');
  const file = location.kind === 'local' ? location.source : new RemoteFile(location.url);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of file.stream(0, null, signal)) {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes > maxBytes) throw unsuitable('The file is larger than a model of this kind can be.');
  }
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}

function unsuitable(message: string): VitrailError {
  return new VitrailError('invalid-argument', message, {
    where: 'storage/read-whole',
    fix: 'Pass the address of a detector’s .safetensors file, or the file itself.',
  });
}
