import { inflate } from './inflate.ts';
import { corruptSplats, unsupportedSplats } from './splat-cloud.ts';

/** A file of an archive; its bytes are unpacked when asked for. */
export interface ZipEntry {
  path: string;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
}

const endSignature = 0x0605_4b50;
const entrySignature = 0x0201_4b50;
const localSignature = 0x0403_4b50;
const endBytes = 22;
const entryBytes = 46;
const localBytes = 30;
const maxCommentBytes = 65_535;

/**
 * The files of a ZIP archive (PKWARE APPNOTE 6.3.10), stored or deflated; folders and the `__MACOSX` shadows of macOS are
 * left out. Throws `model-corrupt`, and `model-unsupported` for encrypted and 64-bit archives.
 */
export function readZip(file: Uint8Array): ZipEntry[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (at === 0xffff_ffff || count === 0xffff) {
    throw unsupportedSplats('zip', 'A 64-bit ZIP archive', 'Pack fewer or smaller files.');
  }
  const entries: ZipEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    if (at + entryBytes > end || view.getUint32(at, true) !== entrySignature) {
      throw corruptSplats('zip', 'its directory is damaged');
    }
    const pathBytes = view.getUint16(at + 28, true);
    const next =
      at + entryBytes + pathBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw corruptSplats('zip', 'its directory is damaged');
    const path = new TextDecoder().decode(
      file.subarray(at + entryBytes, at + entryBytes + pathBytes),
    );
    const entry = at;
    if (!path.endsWith('/') && !path.startsWith('__MACOSX/')) {
      entries.push({ path, bytes: async () => unpack(file, view, entry) });
    }
    at = next;
  }
  return entries;
}

/** True for bytes that begin as archives do. */
export function isZip(file: Uint8Array): boolean {
  return file[0] === 0x50 && file[1] === 0x4b && file[2] === 3 && file[3] === 4;
}

/** The one file with this name, in whatever folder; null where there is none. */
export function findEntry(entries: readonly ZipEntry[], name: string): ZipEntry | null {
  return entries.find(({ path }) => path === name || path.endsWith(`/${name}`)) ?? null;
}

/** The record that ends an archive; a comment may stand behind it. */
function findEnd(view: DataView): number {
  const first = Math.max(0, view.byteLength - endBytes - maxCommentBytes);
  for (let at = view.byteLength - endBytes; at >= first; at -= 1) {
    if (view.getUint32(at, true) === endSignature) return at;
  }
  throw corruptSplats('zip', 'it is no ZIP archive, or its end is missing');
}

async function unpack(
  file: Uint8Array,
  view: DataView,
  entry: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (view.getUint16(entry + 8, true) & 1) {
    throw unsupportedSplats('zip', 'An encrypted ZIP archive', 'Pack it without a password.');
  }
  const method = view.getUint16(entry + 10, true);
  const packedBytes = view.getUint32(entry + 20, true);
  const plainBytes = view.getUint32(entry + 24, true);
  const local = view.getUint32(entry + 42, true);
  if (local + localBytes > file.length || view.getUint32(local, true) !== localSignature) {
    throw corruptSplats('zip', 'an entry is not where its directory says');
  }
  const start =
    local + localBytes + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (start + packedBytes > file.length) throw corruptSplats('zip', 'it ends inside an entry');
  const packed = file.subarray(start, start + packedBytes);
  if (method === 0) return packed.slice();
  if (method !== 8) {
    throw unsupportedSplats('zip', `ZIP method ${method}`, 'Pack the archive with deflate.');
  }
  const plain = await inflate(packed, 'deflate-raw', plainBytes);
  if (plain.length !== plainBytes) throw corruptSplats('zip', 'an entry has another length');
  return plain;
}
