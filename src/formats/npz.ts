import { halfToNumber } from '../quant/half.ts';
import { corruptSplats, unsupportedSplats } from './splat-cloud.ts';
import { readZip } from './zip.ts';

/** An array of a NumPy archive: shape, and values in C order. */
export interface NpyArray {
  shape: readonly number[];
  values: Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array | string[];
}

const magic = '\u0093NUMPY';

/**
 * Every array of a `.npz` archive by its name (NumPy enhancement proposal 1). Numbers and texts, little-endian, C order.
 * Throws `model-corrupt` and `model-unsupported`.
 */
export async function parseNpz(file: Uint8Array): Promise<ReadonlyMap<string, NpyArray>> {
  const arrays = new Map<string, NpyArray>();
  for (const entry of readZip(file)) {
    if (!entry.path.endsWith('.npy')) continue;
    arrays.set(entry.path.slice(0, -4), parseNpy(await entry.bytes()));
  }
  return arrays;
}

/** One `.npy` file. */
export function parseNpy(file: Uint8Array): NpyArray {
  const start = String.fromCharCode(...file.subarray(0, magic.length));
  if (start !== magic || file.length < 12) throw corruptSplats('npz', 'it is no NumPy array');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const wide = view.getUint8(6) >= 2;
  const headerAt = wide ? 12 : 10;
  const dataAt = headerAt + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (dataAt > file.length) throw corruptSplats('npz', 'it ends inside a header');
  const header = new TextDecoder('latin1').decode(file.subarray(headerAt, dataAt));
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shapeText = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (!type || shapeText === undefined) throw corruptSplats('npz', 'an array has no type or shape');
  if (/'fortran_order':\s*True/.test(header)) {
    throw unsupportedSplats('npz', 'An array in Fortran order', 'Save it in C order.');
  }
  const shape = shapeText
    .split(',')
    .filter((part) => part.trim())
    .map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, values: valuesOf(type, file.subarray(dataAt), count) };
}

function valuesOf(type: string, data: Uint8Array, count: number): NpyArray['values'] {
  const kinds = {
    '<f4': Float32Array,
    '<f8': Float64Array,
    '<i4': Int32Array,
    '|u1': Uint8Array,
    '<i8': BigInt64Array,
  } as const;
  const characters = /^<U(\d+)$/.exec(type)?.[1];
  if (characters) return textsOf(data, count, Number(characters));
  if (type === '<f2') return halvesOf(data, count);
  const kind = kinds[type as keyof typeof kinds];
  if (!kind) {
    throw unsupportedSplats('npz', `The NumPy type ${type}`, 'Save the array as float32 or int32.');
  }
  const bytes = count * kind.BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(count) || count < 0 || bytes > data.length) {
    throw corruptSplats('npz', `an array claims ${count} values`);
  }
  return new kind(data.slice(0, bytes).buffer);
}

/** Texts of a fixed length in UTF-32, padded with zeros. */
function textsOf(data: Uint8Array, count: number, characters: number): string[] {
  if (!Number.isSafeInteger(count) || count < 0 || count * characters * 4 > data.length) {
    throw corruptSplats('npz', `an array claims ${count} texts`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const codes = Array.from({ length: characters }, (_, k) =>
      view.getUint32((i * characters + k) * 4, true),
    );
    const end = codes.indexOf(0);
    const used = end < 0 ? codes : codes.slice(0, end);
    if (used.some((code) => code > 0x10_ffff)) throw corruptSplats('npz', 'a text is damaged');
    return String.fromCodePoint(...used);
  });
}

function halvesOf(data: Uint8Array, count: number): Float32Array {
  if (!Number.isSafeInteger(count) || count < 0 || count * 2 > data.length) {
    throw corruptSplats('npz', `an array claims ${count} values`);
  }
  return Float32Array.from(new Uint16Array(data.slice(0, count * 2).buffer), halfToNumber);
}
