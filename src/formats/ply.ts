import { corruptSplats, maxSplats, unsupportedSplats } from './splat-cloud.ts';

/** One element of a PLY file: a table of named columns. */
export interface PlyElement {
  count: number;
  /** Column names in the order of the file. */
  names: readonly string[];
  /** The values of a column, or null where it is not there. */
  column(name: string): PlyColumn | null;
  /** Writes columns interleaved, [count, names]. False: one of them is not there. */
  gather(names: readonly string[], into: Float32Array): boolean;
}

export type PlyColumn =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

interface ScalarType {
  bytes: number;
  make(length: number): PlyColumn;
  read(view: DataView, offset: number, little: boolean): number;
}

const int8: ScalarType = {
  bytes: 1,
  make: (length) => new Int8Array(length),
  read: (view, offset) => view.getInt8(offset),
};
const uint8: ScalarType = {
  bytes: 1,
  make: (length) => new Uint8Array(length),
  read: (view, offset) => view.getUint8(offset),
};
const int16: ScalarType = {
  bytes: 2,
  make: (length) => new Int16Array(length),
  read: (view, offset, little) => view.getInt16(offset, little),
};
const uint16: ScalarType = {
  bytes: 2,
  make: (length) => new Uint16Array(length),
  read: (view, offset, little) => view.getUint16(offset, little),
};
const int32: ScalarType = {
  bytes: 4,
  make: (length) => new Int32Array(length),
  read: (view, offset, little) => view.getInt32(offset, little),
};
const uint32: ScalarType = {
  bytes: 4,
  make: (length) => new Uint32Array(length),
  read: (view, offset, little) => view.getUint32(offset, little),
};
const float32: ScalarType = {
  bytes: 4,
  make: (length) => new Float32Array(length),
  read: (view, offset, little) => view.getFloat32(offset, little),
};
const float64: ScalarType = {
  bytes: 8,
  make: (length) => new Float64Array(length),
  read: (view, offset, little) => view.getFloat64(offset, little),
};

const scalarTypes: ReadonlyMap<string, ScalarType> = new Map([
  ['char', int8],
  ['int8', int8],
  ['uchar', uint8],
  ['uint8', uint8],
  ['short', int16],
  ['int16', int16],
  ['ushort', uint16],
  ['uint16', uint16],
  ['int', int32],
  ['int32', int32],
  ['uint', uint32],
  ['uint32', uint32],
  ['float', float32],
  ['float32', float32],
  ['double', float64],
  ['float64', float64],
]);

interface Property {
  name: string;
  type: ScalarType;
  /** Offset in a binary row, or the column's number in a text row. */
  at: number;
}

interface ElementHeader {
  name: string;
  count: number;
  properties: Property[];
  rowBytes: number;
  /** Rows of a length that only their contents tell. */
  hasLists: boolean;
}

type Encoding = 'ascii' | 'binary_little_endian' | 'binary_big_endian';

/** Longer headers are no PLY of splats. */
const maxHeaderBytes = 64 * 1024;

/**
 * Reads a PLY file (Turk, "The PLY Polygon File Format", 1994): ascii, or binary in either byte order. Elements behind one
 * that has lists are left out, since splat files have none there. Throws `model-corrupt` and `model-unsupported`.
 */
export function parsePly(file: Uint8Array): ReadonlyMap<string, PlyElement> {
  const text = headerText(file);
  const { encoding, elements } = parseHeader(text);
  const body = file.subarray(text.length);
  return encoding === 'ascii'
    ? asciiElements(elements, body)
    : binaryElements(elements, body, encoding === 'binary_little_endian');
}

/** The header up to the line end behind `end_header`, a character a byte. */
function headerText(file: Uint8Array): string {
  const text = String.fromCharCode(...file.subarray(0, 4));
  if (!/^ply\s/.test(text)) throw corruptSplats('ply', 'it does not begin with "ply"');
  let header = '';
  const end = Math.min(file.length, maxHeaderBytes);
  for (let at = 0; at < end; at += 1024) {
    header += String.fromCharCode(...file.subarray(at, Math.min(end, at + 1024)));
    const match = /\nend_header\r?\n/.exec(header);
    if (match) return header.slice(0, match.index + match[0].length);
  }
  throw corruptSplats('ply', 'its header has no end');
}

function parseHeader(text: string): { encoding: Encoding; elements: ElementHeader[] } {
  let encoding: Encoding | undefined;
  const elements: ElementHeader[] = [];
  for (const line of text.split(/\r?\n/)) {
    const words = line.trim().split(/\s+/);
    if (words[0] === 'format') encoding = encodingOf(words[1]);
    else if (words[0] === 'element') elements.push(elementOf(words[1], words[2], elements));
    else if (words[0] === 'property') addProperty(elements.at(-1), words);
  }
  if (!encoding) throw corruptSplats('ply', 'its header names no format');
  return { encoding, elements };
}

function encodingOf(word: string | undefined): Encoding {
  if (word === 'ascii' || word === 'binary_little_endian' || word === 'binary_big_endian') {
    return word;
  }
  throw unsupportedSplats(
    'ply',
    `The PLY format '${word}'`,
    'Export the file as binary_little_endian.',
  );
}

function elementOf(
  name: string | undefined,
  countText: string | undefined,
  others: readonly ElementHeader[],
): ElementHeader {
  const count = Number(countText);
  if (!name || !Number.isInteger(count) || count < 0 || count > maxSplats) {
    throw corruptSplats('ply', `it claims ${countText} of '${name}'`);
  }
  if (others.some((element) => element.name === name)) {
    throw corruptSplats('ply', `the element '${name}' stands there twice`);
  }
  return { name, count, properties: [], rowBytes: 0, hasLists: false };
}

function addProperty(element: ElementHeader | undefined, words: readonly string[]): void {
  if (!element) throw corruptSplats('ply', 'a property stands before any element');
  if (words[1] === 'list') {
    element.hasLists = true;
    return;
  }
  const type = scalarTypes.get(words[1] ?? '');
  const name = words[2];
  if (!type || !name) throw corruptSplats('ply', `it has the property '${words.join(' ')}'`);
  element.properties.push({ name, type, at: element.rowBytes });
  element.rowBytes += type.bytes;
}

function binaryElements(
  headers: readonly ElementHeader[],
  body: Uint8Array,
  little: boolean,
): Map<string, PlyElement> {
  const elements = new Map<string, PlyElement>();
  let offset = 0;
  for (const header of headers) {
    if (header.hasLists) break;
    const bytes = header.count * header.rowBytes;
    if (offset + bytes > body.length) {
      throw corruptSplats('ply', `it ends inside the element '${header.name}'`);
    }
    const view = new DataView(body.buffer, body.byteOffset + offset, bytes);
    elements.set(
      header.name,
      elementFrom(
        header,
        ({ type, at }, row) => type.read(view, row * header.rowBytes + at, little),
        (properties, into) => gatherRows(view, header, properties, little, into),
      ),
    );
    offset += bytes;
  }
  return elements;
}

function asciiElements(
  headers: readonly ElementHeader[],
  body: Uint8Array,
): Map<string, PlyElement> {
  const numbers = new TextDecoder().decode(body).split(/\s+/).filter(Boolean).map(Number);
  const elements = new Map<string, PlyElement>();
  let start = 0;
  for (const header of headers) {
    if (header.hasLists) break;
    const width = header.properties.length;
    const first = start;
    start += header.count * width;
    if (start > numbers.length) {
      throw corruptSplats('ply', `it ends inside the element '${header.name}'`);
    }
    elements.set(
      header.name,
      elementFrom(
        header,
        (property, row) =>
          numbers[first + row * width + header.properties.indexOf(property)] ?? Number.NaN,
      ),
    );
  }
  return elements;
}

/** Row by row: a file of millions of splats passes through the caches once. */
function gatherRows(
  view: DataView,
  { count, rowBytes }: ElementHeader,
  properties: readonly Property[],
  little: boolean,
  into: Float32Array,
): void {
  const width = properties.length;
  const places = properties.map(({ at }) => at);
  const types = properties.map(({ type }) => type);
  // Files of 3DGS have floats alone, and calls that know it are quicker.
  const floats = types.every((type) => type === float32);
  for (let row = 0; row < count; row += 1) {
    for (let i = 0; i < width; i += 1) {
      const at = row * rowBytes + (places[i] as number);
      into[row * width + i] = floats
        ? view.getFloat32(at, little)
        : (types[i] as ScalarType).read(view, at, little);
    }
  }
}

/** `read` gives a value of a row. */
function elementFrom(
  { count, properties }: ElementHeader,
  read: (property: Property, row: number) => number,
  gather?: (properties: readonly Property[], into: Float32Array) => void,
): PlyElement {
  const find = (name: string): Property | undefined =>
    properties.find((candidate) => candidate.name === name);
  return {
    count,
    names: properties.map(({ name }) => name),
    column(name) {
      const property = find(name);
      if (!property) return null;
      const values = property.type.make(count);
      for (let row = 0; row < count; row += 1) values[row] = read(property, row);
      return values;
    },
    gather(names, into) {
      const found = names.flatMap((name) => find(name) ?? []);
      if (found.length < names.length) return false;
      if (gather) {
        gather(found, into);
        return true;
      }
      const width = found.length;
      for (let i = 0; i < count * width; i += 1) {
        into[i] = read(found[i % width] as Property, Math.floor(i / width));
      }
      return true;
    },
  };
}
