import { corruptSplats } from './splat-cloud.ts';

/** Nothing that is read here is larger when unpacked. */
const maxInflatedBytes = 2 ** 31;

/**
 * Unpacks gzip or raw deflate with the browser's own decoder. Throws `model-corrupt` for damaged data, and for data that
 * unpacks to more than `maxBytes`.
 */
export async function inflate(
  packed: Uint8Array,
  format: 'gzip' | 'deflate-raw',
  maxBytes: number = maxInflatedBytes,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw corruptSplats('inflate', 'its packed data are damaged');
    });
    if (done) return joined(chunks, bytes);
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      await reader.cancel().catch(() => {});
      throw corruptSplats('inflate', `it unpacks to more than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
