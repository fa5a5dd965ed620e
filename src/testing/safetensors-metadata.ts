/** A safetensors file with other metadata in its header. */
export function withMetadata(
  file: Uint8Array,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const end = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, end)));
  const text = new TextEncoder().encode(JSON.stringify({ ...header, __metadata__: metadata }));
  const changed = new Uint8Array(8 + text.length + file.length - end);
  new DataView(changed.buffer).setBigUint64(0, BigInt(text.length), true);
  changed.set(text, 8);
  changed.set(file.subarray(end), 8 + text.length);
  return changed;
}
