import { invalidArgument } from '../errors.ts';
import type { Source } from '../types.ts';
import { BlobSource, BufferSource, type ByteSource } from './byte-source.ts';
import { sha256Hex, textDigest } from './digest.ts';
import { RemoteFile } from './download.ts';

/** Where a model comes from, after all short forms are resolved. */
export type Location = RemoteLocation | LocalLocation | StoredLocation;

export interface RemoteLocation {
  kind: 'remote';
  /** Absolute. */
  url: string;
  name: string;
}

export interface LocalLocation {
  kind: 'local';
  name: string;
  source: ByteSource & { readonly size: number };
  /** 0 where it is not known. */
  lastModified: number;
  /** A name and a date tell files apart; without them only the whole content does. */
  hasIdentity: boolean;
}

/** A model of the store, by its id: `store:<id>`. */
export interface StoredLocation {
  kind: 'stored';
  id: string;
}

const hubUrl = 'https://huggingface.co';
const storePrefix = 'store:';

/** Resolves a source. Throws `invalid-argument` for what is none, `network` where an object URL cannot be read. */
export async function locate(source: Source, signal?: AbortSignal): Promise<Location> {
  if (source instanceof Blob) return localFile(source);
  if (source instanceof ArrayBuffer) return localBuffer(source);
  if (source instanceof URL) return locateUrl(source, signal);
  if (typeof source === 'string') return locateText(source, signal);
  if (typeof source === 'object' && source !== null && 'repo' in source) {
    return hubFile(source.repo, source.file, source.revision);
  }
  throw notASource('This is no source of a model.');
}

/**
 * The id of a model in the store: the same file with the same options has the same one. A remote file is known by its
 * address alone, so that a second visit needs no network.
 */
export async function modelId(
  location: RemoteLocation | LocalLocation,
  quantize: string | undefined,
): Promise<string> {
  const identity = location.kind === 'remote' ? location.url : await localIdentity(location);
  return (await textDigest(`${quantize ?? 'as-stored'} ${identity}`)).slice(0, 32);
}

async function locateText(source: string, signal: AbortSignal | undefined): Promise<Location> {
  if (source.startsWith(storePrefix)) return storedModel(source.slice(storePrefix.length));
  if (source.startsWith('hf:')) {
    const [owner, name, ...path] = source.slice('hf:'.length).split('/');
    return hubFile(`${owner}/${name}`, path.join('/'));
  }
  const base = globalThis.location?.href;
  if (!URL.canParse(source, base)) throw notASource(`'${source}' is not an address.`);
  return locateUrl(new URL(source, base), signal);
}

function storedModel(id: string): StoredLocation {
  if (/^[0-9a-f]{32}$/.test(id)) return { kind: 'stored', id };
  throw notASource(`'${storePrefix}${id}' is no id of a stored model.`);
}

async function locateUrl(url: URL, signal: AbortSignal | undefined): Promise<Location> {
  // Neither of these survives the page, so their content is the identity.
  if (url.protocol === 'blob:' || url.protocol === 'data:') {
    return localFile(await blobOf(url.href, signal));
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw notASource(`Addresses that start with '${url.protocol}' cannot be fetched.`);
  }
  return { kind: 'remote', url: withoutFragment(url), name: fileName(url) };
}

function fileName(url: URL): string {
  const escaped = url.pathname.split('/').at(-1) || url.hostname;
  try {
    return decodeURIComponent(escaped);
  } catch {
    // A lone '%' is allowed in an address and stands for itself.
    return escaped;
  }
}

async function blobOf(url: string, signal: AbortSignal | undefined): Promise<Blob> {
  const pieces: BlobPart[] = [];
  for await (const piece of new RemoteFile(url).stream(0, null, signal)) pieces.push(piece.slice());
  return new Blob(pieces);
}

function withoutFragment(url: URL): string {
  const plain = new URL(url);
  plain.hash = '';
  return plain.href;
}

function hubFile(repo: unknown, file: unknown, revision: unknown = 'main'): RemoteLocation {
  const fields = [repo, file, revision];
  const areTexts = fields.every((field) => typeof field === 'string' && field !== '');
  const path = String(file).split('/');
  const isPlain = !path.some((segment) => segment === '' || segment === '.' || segment === '..');
  if (!areTexts || !isPlain || !/^[\w.-]+\/[\w.-]+$/.test(String(repo))) {
    throw notASource(`{ repo: '${repo}', file: '${file}' } is no file of the Hugging Face hub.`);
  }
  const escaped = path.map(encodeURIComponent).join('/');
  const version = encodeURIComponent(String(revision));
  const url = `${hubUrl}/${repo}/resolve/${version}/${escaped}`;
  return { kind: 'remote', url, name: path.at(-1) as string };
}

function localFile(blob: Blob): LocalLocation {
  const file = typeof File !== 'undefined' && blob instanceof File ? blob : null;
  return {
    kind: 'local',
    name: file?.name || 'model',
    source: new BlobSource(blob),
    lastModified: file?.lastModified ?? 0,
    hasIdentity: file !== null,
  };
}

function localBuffer(buffer: ArrayBuffer): LocalLocation {
  const source = new BufferSource(buffer);
  return { kind: 'local', name: 'model', source, lastModified: 0, hasIdentity: false };
}

/** How much of each end of a file is read to tell it from another of the same name, length and date. */
const sampleBytes = 64 * 1024;
/** How much of an anonymous file is hashed at a time. */
const hashedBytes = 8 * 2 ** 20;

async function localIdentity(location: LocalLocation): Promise<string> {
  const { name, source, lastModified, hasIdentity } = location;
  const { size } = source;
  const digests: string[] = [];
  if (hasIdentity) {
    digests.push(await digestRange(source, 0, Math.min(size, sampleBytes)));
    digests.push(await digestRange(source, Math.max(0, size - sampleBytes), size));
  } else {
    for (let from = 0; from < size; from += hashedBytes) {
      digests.push(await digestRange(source, from, Math.min(size, from + hashedBytes)));
    }
  }
  return JSON.stringify([name, size, lastModified, digests]);
}

async function digestRange(source: ByteSource, from: number, to: number): Promise<string> {
  const bytes = new Uint8Array(to - from);
  let at = 0;
  for await (const piece of source.stream(from, to)) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return sha256Hex(bytes);
}

function notASource(message: string): Error {
  return invalidArgument(
    'source/locate',
    message,
    'Pass an https: address, a File or Blob, an ArrayBuffer, "hf:owner/name/file.gguf", { repo, file } or "store:" and the id of a stored model.',
  );
}
