import { type AvatarBody, readAvatarBody } from './avatar-body.ts';
import { readGaussianAvatar } from './gaussian-avatars.ts';
import { parseKsplat } from './ksplat.ts';
import { isLamArchive, readLamArchive } from './lam.ts';
import { parsePlySplats } from './ply-splats.ts';
import type { Rig } from './rig.ts';
import { type ImageDecoder, parseSog } from './sog.ts';
import { corruptSplats, type SplatCloud, unsupportedSplats } from './splat-cloud.ts';
import { parseSplatFile } from './splat-file.ts';
import { parseSpz } from './spz.ts';
import { findEntry, isZip, readZip } from './zip.ts';

/** Splats, and what animates them where the file has that. */
export interface SplatFile {
  cloud: SplatCloud;
  rig: Rig | null;
  /** The body as a texture, where the avatar has one. */
  body: AvatarBody | null;
}

/**
 * Reads a file of splats in whichever format its first bytes tell: PLY, compressed PLY, `.spz`, a ZIP with an avatar of LAM, a
 * head of GaussianAvatars and its mesh, or a SOG scene, `.ksplat`, else `.splat`, which has no mark of its own. Throws `model-corrupt` and `model-unsupported`.
 */
export async function readSplatFile(file: Uint8Array, decode: ImageDecoder): Promise<SplatFile> {
  if (isZip(file)) return readArchive(file, decode);
  const start = String.fromCharCode(...file.subarray(0, 5));
  if (/^ply\s/.test(start)) return unrigged(parsePly(file));
  if (start.startsWith('NGSP') || start.startsWith('\x1f\x8b')) {
    return unrigged(await parseSpz(file));
  }
  if (/^\s*[<{[]/.test(start)) throw corruptSplats('splats', 'it is a text, not splats');
  return unrigged(isKsplat(file) ? parseKsplat(file) : parseSplatFile(file));
}

function parsePly(file: Uint8Array): SplatCloud {
  const { cloud, binding } = parsePlySplats(file);
  if (!binding) return cloud;
  throw unsupportedSplats(
    'splats',
    'A PLY file of GaussianAvatars by itself',
    'Its splats are bound to the triangles of a mesh: pack it in a ZIP archive with a .npz file that has vertices and triangles.',
  );
}

function unrigged(cloud: SplatCloud): SplatFile {
  return { cloud, rig: null, body: null };
}

/** The two bytes of the version, and zeros up to the number of sections; a `.splat` begins with three coordinates. */
function isKsplat(file: Uint8Array): boolean {
  return file.length > 4096 && file[0] === 0 && file[1] === 1 && file[2] === 0 && file[3] === 0;
}

async function readArchive(file: Uint8Array, decode: ImageDecoder): Promise<SplatFile> {
  const entries = readZip(file);
  if (isLamArchive(entries)) {
    const [head, body] = [await readLamArchive(entries), await readAvatarBody(entries)];
    if (body && body.splats >= head.cloud.count) {
      throw corruptSplats(
        'avatar-body',
        `${body.splats} splats of the body leave none for the head`,
      );
    }
    return { ...head, body };
  }
  const [ply, npz] = ['.ply', '.npz'].map((end) => entries.find(({ path }) => path.endsWith(end)));
  if (ply && npz) {
    return { ...(await readGaussianAvatar(await ply.bytes(), await npz.bytes())), body: null };
  }
  const meta = findEntry(entries, 'meta.json');
  if (!meta) {
    throw unsupportedSplats(
      'splats',
      'A ZIP archive of something else',
      'Use an avatar (offset.ply and skin.glb, or a bound .ply and the .npz of its mesh) or a SOG scene (meta.json and its images).',
    );
  }
  const read = async (name: string): Promise<Uint8Array | null> =>
    (await findEntry(entries, name)?.bytes()) ?? null;
  return unrigged(await parseSog(await meta.bytes(), read, decode));
}
