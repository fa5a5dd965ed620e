import { VitrailError } from '../errors.ts';
import { type GgufParse, parseGguf } from '../formats/gguf.ts';
import type { MetadataValue, ModelHeader, TensorInfo } from '../formats/header.ts';
import { parseSafetensorsHeader, parseSafetensorsIndex } from '../formats/safetensors.ts';
import { type ByteSource, PrefixedSource } from './byte-source.ts';
import { type FileValidator, RemoteFile, type RetryPolicy } from './download.ts';
import type { LocalLocation, RemoteLocation } from './source.ts';

/** A piece of what describes a model: the head of a weight file, or a text file beside it. Kept in the store. */
export interface HeaderPart {
  /** `weights` for the head of a weight file, else the file's name. */
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** What is known of a weight file apart from its content. */
export interface FileOrigin {
  /** Null: a local file. */
  url: string | null;
  size: number | null;
  validator: FileValidator | null;
}

/** What the header parts say. */
export interface ModelDescription {
  header: ModelHeader;
  /** The tensors of each weight file. */
  tensors: TensorInfo[][];
  extra: ModelExtra;
}

/** Parsed files beside safetensors weights. A GGUF file has all of it in its metadata. */
export interface ModelExtra {
  config?: unknown;
  tokenizerJson?: unknown;
  tokenizerConfig?: unknown;
}

export interface ModelFiles {
  parts: HeaderPart[];
  description: ModelDescription;
  sources: ByteSource[];
  origins: FileOrigin[];
}

/** The metadata key under which the text of a safetensors model's config.json is found. */
export const configKey = 'vitrail.config';

const weightsPart = 'weights';
const firstReadBytes = 64 * 1024;
/** A file with no more than this behind its header is read in the same go. */
const smallRestBytes = 4 * 2 ** 20;
const maxTextBytes = 64 * 2 ** 20;

export interface ReadOptions {
  retryPolicy: Partial<RetryPolicy>;
  signal: AbortSignal | undefined;
  /** Hears of the bytes of a weight file as they arrive. */
  onBytes: (bytes: number, fileBytes: number | null) => void;
}

/** Reads the headers of a model's files, and the texts beside them. Throws `network`, `model-corrupt`, `model-unsupported`. */
export async function readModelFiles(
  location: RemoteLocation | LocalLocation,
  options: ReadOptions,
): Promise<ModelFiles> {
  if (location.kind === 'local') return readLocal(location, options);
  const { url, name } = location;
  const beside = (file: string): RemoteFile =>
    new RemoteFile(new URL(file, url).href, null, options.retryPolicy);
  const siblings = new Siblings(beside, options.signal);
  if (name.endsWith('.index.json')) {
    const names = weightFileNames(await siblings.required(name));
    const heads: WeightFile[] = [];
    for (const file of names) heads.push(await readHead(beside(file), options));
    return assemble(heads, await siblings.safetensorsTexts());
  }
  const head = await readHead(new RemoteFile(url, null, options.retryPolicy), options);
  const texts = isGguf(head.prefix) ? [] : await siblings.safetensorsTexts();
  return assemble([head], texts);
}

/** The description again from parts that were kept. Throws as reading them from a file does. */
export function describeParts(
  parts: readonly HeaderPart[],
  sizes: readonly (number | null)[],
): ModelDescription {
  const heads = parts
    .filter(({ name }) => name === weightsPart)
    .map(({ bytes }, file) => parseHead(bytes, sizes[file] ?? null));
  const texts = new Map(parts.map(({ name, bytes }) => [name, bytes]));
  return merge(
    heads.map((head) => {
      if ('needBytes' in head) throw incompleteHeader();
      return head.header;
    }),
    texts,
  );
}

async function readLocal(location: LocalLocation, options: ReadOptions): Promise<ModelFiles> {
  const head = await readHead(location.source, options);
  if (isGguf(head.prefix)) return assemble([head], []);
  throw new VitrailError(
    'model-unsupported',
    `'${location.name}' is a safetensors file, which does not describe its model.`,
    {
      where: 'model-files/local',
      fix: 'Load it by an address that has config.json and tokenizer.json beside it, or use a GGUF file.',
    },
  );
}

interface WeightFile {
  source: ByteSource;
  header: ModelHeader;
  /** The file up to its weights. */
  prefix: Uint8Array<ArrayBuffer>;
  origin: FileOrigin;
}

function assemble(files: readonly WeightFile[], texts: readonly HeaderPart[]): ModelFiles {
  const parts = [...files.map(({ prefix }) => ({ name: weightsPart, bytes: prefix })), ...texts];
  return {
    parts,
    description: merge(
      files.map(({ header }) => header),
      new Map(texts.map(({ name, bytes }) => [name, bytes])),
    ),
    sources: files.map(({ source }) => source),
    origins: files.map(({ origin }) => origin),
  };
}

function merge(
  headers: readonly ModelHeader[],
  texts: ReadonlyMap<string, Uint8Array>,
): ModelDescription {
  const metadata = new Map<string, MetadataValue>(
    headers.flatMap((header) => [...header.metadata]),
  );
  const tensors = new Map(headers.flatMap((header) => [...header.tensors]));
  const text = (name: string): string | undefined => {
    const bytes = texts.get(name);
    return bytes && decodeText(bytes);
  };
  const config = text('config.json');
  if (config !== undefined) metadata.set(configKey, config);
  return {
    header: { metadata, tensors },
    tensors: headers.map((header) => [...header.tensors.values()]),
    extra: parseExtra(text),
  };
}

function parseExtra(text: (name: string) => string | undefined): ModelExtra {
  const config = parseJson('config.json', text('config.json'));
  const tokenizerJson = parseJson('tokenizer.json', text('tokenizer.json'));
  const tokenizerConfig = parseJson('tokenizer_config.json', text('tokenizer_config.json'));
  const template = text('chat_template.jinja');
  return {
    ...(config === undefined ? {} : { config }),
    ...(tokenizerJson === undefined ? {} : { tokenizerJson }),
    ...(tokenizerConfig === undefined && template === undefined
      ? {}
      : { tokenizerConfig: withTemplate(tokenizerConfig, template) }),
  };
}

/** Newer repositories keep the chat template in a file of its own. */
function withTemplate(tokenizerConfig: unknown, template: string | undefined): unknown {
  if (template === undefined) return tokenizerConfig;
  return { chat_template: template, ...(tokenizerConfig as object | undefined) };
}

function parseJson(name: string, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VitrailError('model-corrupt', `${name} is not JSON.`, {
      where: 'model-files/json',
      fix: `Check the ${name} beside the weights; some servers answer a missing file with a page.`,
      cause,
    });
  }
}

/** Reads on until the header is whole, then, where little is left, the rest too: a small file takes one request. */
async function readHead(file: ByteSource, options: ReadOptions): Promise<WeightFile> {
  const head = new GrowingBytes();
  let wanted = firstReadBytes;
  let parsed: GgufParse | undefined;
  for await (const bytes of file.stream(0, null, options.signal)) {
    head.append(bytes);
    options.onBytes(bytes.byteLength, file.size);
    if (!parsed && head.length >= wanted) {
      const parse = parseHead(head.bytes(), file.size);
      if ('header' in parse) parsed = parse;
      // Doubling keeps the parses that come too early from adding up.
      else wanted = Math.max(parse.needBytes, 2 * head.length);
    }
    const rest = (file.size ?? Number.POSITIVE_INFINITY) - head.length;
    if (parsed && rest > smallRestBytes) break;
  }
  parsed ??= parseHead(head.bytes(), file.size ?? head.length);
  if ('needBytes' in parsed) throw incompleteHeader();
  const read = head.bytes();
  const prefix = read.slice(0, parsed.dataOffset);
  const { url, validator } = file instanceof RemoteFile ? file : { url: null, validator: null };
  const origin: FileOrigin = { url, size: file.size, validator };
  return { source: new PrefixedSource(read, file), header: parsed.header, prefix, origin };
}

function parseHead(prefix: Uint8Array, fileBytes: number | null): GgufParse {
  return looksLikeSafetensors(prefix)
    ? parseSafetensorsHeader(prefix, fileBytes)
    : parseGguf(prefix, fileBytes);
}

function isGguf(prefix: Uint8Array): boolean {
  return !looksLikeSafetensors(prefix);
}

/** A little-endian length of eight bytes, whose upper half is zero in any real file, and the brace of a JSON object. */
function looksLikeSafetensors(prefix: Uint8Array): boolean {
  const upperHalf = prefix.subarray(4, 8);
  return prefix[8] === 0x7b && upperHalf.every((byte) => byte === 0);
}

function incompleteHeader(): VitrailError {
  return new VitrailError('model-corrupt', 'The file ends within its header.', {
    where: 'model-files/header',
    fix: 'The file is not whole: download or upload it again.',
  });
}

/** Bytes that come in pieces, in one array that doubles. */
class GrowingBytes {
  #buffer = new Uint8Array(firstReadBytes);
  length = 0;

  append(bytes: Uint8Array): void {
    const needed = this.length + bytes.byteLength;
    if (needed > this.#buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.byteLength));
      grown.set(this.bytes());
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.length);
    this.length = needed;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.length);
  }
}

/** The text files beside the weights. */
class Siblings {
  readonly #file: (name: string) => RemoteFile;
  readonly #signal: AbortSignal | undefined;

  constructor(file: (name: string) => RemoteFile, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#signal = signal;
  }

  async required(name: string): Promise<HeaderPart> {
    const head = new GrowingBytes();
    for await (const bytes of this.#file(name).stream(0, null, this.#signal)) {
      head.append(bytes);
      if (head.length > maxTextBytes) throw textTooLong(name);
    }
    return { name, bytes: head.bytes().slice() };
  }

  async safetensorsTexts(): Promise<HeaderPart[]> {
    const optional = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'];
    const found = await Promise.all(optional.map((name) => this.#optional(name)));
    return [await this.required('config.json'), ...found.filter((part) => part !== null)];
  }

  async #optional(name: string): Promise<HeaderPart | null> {
    try {
      return await this.required(name);
    } catch (thrown) {
      const status = thrown instanceof VitrailError ? thrown.detail.status : undefined;
      if (status === 404 || status === 403) return null;
      throw thrown;
    }
  }
}

/** The files that `model.safetensors.index.json` names, each once. */
function weightFileNames({ bytes }: HeaderPart): string[] {
  return [...new Set(parseSafetensorsIndex(decodeText(bytes)).values())].sort();
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function textTooLong(name: string): VitrailError {
  return new VitrailError('model-corrupt', `${name} is longer than ${maxTextBytes} bytes.`, {
    where: 'model-files/text',
    fix: `Check the ${name} beside the weights.`,
  });
}
