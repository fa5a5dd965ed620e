import { VitrailError } from '../errors.ts';
import { fileRowBytes } from '../quant/format.ts';
import { quantFormatByGgmlType, supportedFormats } from '../quant/registry.ts';
import {
  type Metadata,
  type MetadataArray,
  type MetadataValue,
  type ModelHeader,
  overlappingTensors,
  type TensorInfo,
} from './header.ts';

/**
 * GGUF, versions 2 and 3, little endian: magic, version, tensor count, metadata count, metadata, tensor infos, padding, data.
 * The parser reads a prefix of the file and asks for more while the header is not whole. Counts and lengths in the file are
 * never trusted: nothing is allocated that the bytes at hand could not fill.
 */
export type GgufParse = { header: ModelHeader; dataOffset: number } | { needBytes: number };

const magic = 0x4655_4747;
const swappedVersions = new Set([0x0200_0000, 0x0300_0000]);
const defaultAlignment = 32;
/** A header larger than this is no model's: the largest vocabularies take some 20 MB. */
const maxHeaderBytes = 512 * 2 ** 20;
const maxArrayDepth = 4;
const maxDimensions = 4;

/** Bytes that metadata and tensor entries take at least: what a count can be held against. */
const minEntryBytes = { metadata: 13, tensor: 24 } as const;

/**
 * Parses the header in `prefix`, the first bytes of a file of `fileBytes` (null where it is not known).
 * Throws `model-corrupt` and `model-unsupported`.
 */
export function parseGguf(prefix: Uint8Array, fileBytes: number | null): GgufParse {
  const reader = new Reader(prefix, fileBytes);
  try {
    return parseHeader(reader, fileBytes);
  } catch (thrown) {
    if (!(thrown instanceof NeedMoreBytes)) throw thrown;
    return { needBytes: thrown.bytes };
  }
}

function parseHeader(reader: Reader, fileBytes: number | null): GgufParse {
  checkMagic(reader);
  const tensorCount = reader.count('tensors', minEntryBytes.tensor);
  const metadataCount = reader.count('metadata entries', minEntryBytes.metadata);
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < metadataCount; i += 1) {
    const key = reader.string();
    if (metadata.has(key)) throw corrupt(`the metadata key '${key}' stands there twice`);
    metadata.set(key, readValue(reader, reader.u32(), 0));
  }
  const entries = readMany(tensorCount, () => readTensorEntry(reader));
  const alignment = alignmentOf(metadata);
  const dataOffset = Math.ceil(reader.position / alignment) * alignment;
  const tensors = new Map<string, TensorInfo>();
  for (const entry of entries) {
    const tensor = resolveTensor(entry, dataOffset, alignment, fileBytes);
    if (tensors.has(tensor.name)) throw corrupt(`the tensor '${tensor.name}' stands there twice`);
    tensors.set(tensor.name, tensor);
  }
  const pair = overlappingTensors(tensors.values());
  if (pair) throw corrupt(`the tensors '${pair[0].name}' and '${pair[1].name}' overlap`);
  return { header: { metadata, tensors }, dataOffset };
}

/** `count` things, one after the other: the list grows with what was read, never by what the file claims. */
function readMany<T>(count: number, read: () => T): T[] {
  const things: T[] = [];
  for (let i = 0; i < count; i += 1) things.push(read());
  return things;
}

function checkMagic(reader: Reader): void {
  if (reader.u32() !== magic) throw corrupt('it is no GGUF file');
  const version = reader.u32();
  if (version === 2 || version === 3) return;
  const swapped = swappedVersions.has(version);
  throw new VitrailError(
    'model-unsupported',
    swapped ? 'The file is big endian.' : `GGUF version ${version} is not supported.`,
    {
      where: 'gguf/header',
      fix: 'Use a little-endian file of GGUF version 2 or 3; current converters write version 3.',
      detail: { version },
    },
  );
}

/** GGUF's value types. */
const type = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

function readValue(reader: Reader, valueType: number, depth: number): MetadataValue {
  switch (valueType) {
    case type.string:
      return reader.string();
    case type.array:
      return readArray(reader, depth);
    case type.bool:
      return reader.bytes(1)[0] !== 0;
    case type.u64:
      return reader.integer64(false);
    case type.i64:
      return reader.integer64(true);
    default: {
      const numbers = numericArrays[valueType];
      if (!numbers) throw corrupt(`metadata has the unknown type ${valueType}`);
      return numbers.of(reader.bytes(numbers.bytes), 1)[0] ?? 0;
    }
  }
}

function readArray(reader: Reader, depth: number): MetadataArray {
  if (depth >= maxArrayDepth) throw corrupt('metadata arrays are nested too deep');
  const elementType = reader.u32();
  const numbers = numericArrays[elementType];
  if (numbers) {
    const count = reader.count('array elements', numbers.bytes);
    return numbers.of(reader.bytes(count * numbers.bytes), count);
  }
  const smallest = elementType === type.bool ? 1 : elementType === type.array ? 12 : 8;
  const count = reader.count('array elements', smallest);
  // Every element has the same type, which the compiler cannot know.
  return readMany(count, () => readValue(reader, elementType, depth + 1)) as MetadataArray;
}

type NumericArray = Exclude<MetadataArray, readonly unknown[]>;

/** How arrays of each numeric type are cut out of the file; the copy is aligned. */
const numericArrays: Readonly<
  Record<number, { bytes: number; of(bytes: Uint8Array, count: number): NumericArray }>
> = {
  [type.u8]: { bytes: 1, of: (bytes) => new Uint8Array(bytes) },
  [type.i8]: { bytes: 1, of: (bytes) => new Int8Array(copyOf(bytes)) },
  [type.u16]: { bytes: 2, of: (bytes) => new Uint16Array(copyOf(bytes)) },
  [type.i16]: { bytes: 2, of: (bytes) => new Int16Array(copyOf(bytes)) },
  [type.u32]: { bytes: 4, of: (bytes) => new Uint32Array(copyOf(bytes)) },
  [type.i32]: { bytes: 4, of: (bytes) => new Int32Array(copyOf(bytes)) },
  [type.f32]: { bytes: 4, of: (bytes) => new Float32Array(copyOf(bytes)) },
  [type.f64]: { bytes: 8, of: (bytes) => new Float64Array(copyOf(bytes)) },
};

/** `slice` of a Node buffer would be a view: this is always a copy, and aligned. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

interface TensorEntry {
  name: string;
  /** Row-major. */
  shape: number[];
  ggmlType: number;
  /** From the start of the data. */
  offset: number;
}

function readTensorEntry(reader: Reader): TensorEntry {
  const name = reader.string();
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > maxDimensions) {
    throw corrupt(`the tensor '${name}' has ${dimensions} dimensions`);
  }
  const shape = readMany(dimensions, () => reader.size(`a dimension of '${name}'`));
  const ggmlType = reader.u32();
  return { name, shape: shape.reverse(), ggmlType, offset: reader.size(`the offset of '${name}'`) };
}

function resolveTensor(
  { name, shape, ggmlType, offset }: TensorEntry,
  dataOffset: number,
  alignment: number,
  fileBytes: number | null,
): TensorInfo {
  const format = quantFormatByGgmlType(ggmlType);
  if (!format) throw unsupportedType(name, ggmlType);
  const columns = shape[shape.length - 1] ?? 0;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (columns === 0 || rows === 0 || columns % format.blockElements !== 0) {
    throw corrupt(`the tensor '${name}' has rows of ${columns} in ${format.name.toUpperCase()}`);
  }
  const bytes = rows * fileRowBytes(format, columns);
  const first = dataOffset + offset;
  if (offset % alignment !== 0) throw corrupt(`the tensor '${name}' is not aligned`);
  if (!Number.isSafeInteger(first + bytes) || (fileBytes !== null && first + bytes > fileBytes)) {
    throw corrupt(`the tensor '${name}' reaches past the end of the file`);
  }
  return { name, format: format.name, shape, offset: first, bytes };
}

function alignmentOf(metadata: Metadata): number {
  const alignment = metadata.get('general.alignment') ?? defaultAlignment;
  const valid =
    typeof alignment === 'number' &&
    alignment >= 1 &&
    alignment <= 2 ** 20 &&
    Number.isInteger(Math.log2(alignment));
  if (!valid) throw corrupt(`general.alignment is ${String(alignment)}`);
  return alignment;
}

/** Thrown inside the parser where the prefix ends too early. */
class NeedMoreBytes {
  readonly bytes: number;
  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** A byte order mark is text like any other: vocabularies have a token for it. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

class Reader {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** What the whole file can hold at most. */
  readonly #limit: number;
  readonly #isWhole: boolean;

  constructor(bytes: Uint8Array, fileBytes: number | null) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limit = Math.min(fileBytes ?? maxHeaderBytes, maxHeaderBytes);
    this.#isWhole = fileBytes !== null && bytes.byteLength >= fileBytes;
  }

  bytes(count: number): Uint8Array {
    this.#need(count);
    const part = this.#bytes.subarray(this.position, this.position + count);
    this.position += count;
    return part;
  }

  u32(): number {
    this.#need(4);
    this.position += 4;
    return this.#view.getUint32(this.position - 4, true);
  }

  /** A 64-bit number, as a bigint only where a double cannot hold it. */
  integer64(signed: boolean): number | bigint {
    this.#need(8);
    const at = this.position;
    this.position += 8;
    const value = signed ? this.#view.getBigInt64(at, true) : this.#view.getBigUint64(at, true);
    const exact = Number(value);
    return Number.isSafeInteger(exact) ? exact : value;
  }

  /** A 64-bit number that says how large something is. */
  size(what: string): number {
    const value = this.integer64(false);
    if (typeof value === 'bigint') throw corrupt(`${what} is ${value}`);
    return value;
  }

  /** A number of things that take at least `smallest` bytes each, held against what is left of the file. */
  count(what: string, smallest: number): number {
    const value = this.integer64(false);
    if (typeof value === 'number' && this.position + value * smallest <= this.#limit) return value;
    throw corrupt(`it claims ${value} ${what}`);
  }

  string(): string {
    const length = this.count('bytes of text', 1);
    return utf8.decode(this.bytes(length));
  }

  #need(count: number): void {
    const end = this.position + count;
    if (end <= this.#bytes.byteLength) return;
    if (this.#isWhole || end > this.#limit) throw corrupt('it ends inside its header');
    throw new NeedMoreBytes(end);
  }
}

function corrupt(reason: string): VitrailError {
  return new VitrailError('model-corrupt', `The model file cannot be read: ${reason}.`, {
    where: 'gguf/header',
    fix: 'Download the file again, and check that the address gives the file itself and not a web page about it.',
  });
}

function unsupportedType(tensor: string, ggmlType: number): VitrailError {
  const stored = otherTypes[ggmlType] ?? `the unknown type ${ggmlType}`;
  return new VitrailError(
    'model-unsupported',
    `The tensor '${tensor}' is stored in ${stored}, which is not supported.`,
    {
      where: 'gguf/tensors',
      fix: `Use a file in one of: ${supportedFormats()}.`,
      detail: { tensor, ggmlType },
    },
  );
}

/** ggml's names of the types that have no entry in the registry, for messages. */
const otherTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};
