import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gguf as parseWithOracle } from '@huggingface/gguf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { quantFormat } from '../quant/registry.ts';
import { type GgufParse, parseGguf } from './gguf.ts';
import type { MetadataValue } from './header.ts';

type Whole = Exclude<GgufParse, { needBytes: number }>;

/** Value types of GGUF that the tests write. */
const type = { u8: 0, u32: 4, bool: 7, string: 8, array: 9, u64: 10 } as const;

class Bytes {
  readonly list: number[] = [];

  raw(...values: number[]): this {
    for (const value of values) this.list.push(value);
    return this;
  }
  u32(value: number): this {
    return this.raw(...new Uint8Array(Uint32Array.of(value).buffer));
  }
  u64(value: bigint): this {
    return this.raw(...new Uint8Array(BigUint64Array.of(value).buffer));
  }
  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(BigInt(bytes.length)).raw(...bytes);
  }
}

interface TensorEntry {
  name: string;
  /** In ggml's order: the row length first. */
  sizes: bigint[];
  ggmlType: number;
  offset: bigint;
}

interface FileParts {
  magic: string;
  version: number;
  tensorCount: bigint;
  /** Key, then type and value. */
  metadata: [string, (bytes: Bytes) => void][];
  tensors: TensorEntry[];
  dataBytes: number;
}

const weights: TensorEntry = { name: 'weights', sizes: [32n, 3n], ggmlType: 0, offset: 0n };

/** A file with one tensor and some metadata; `change` replaces parts of it. */
function fileOf(change: Partial<FileParts> = {}): Uint8Array {
  const tensors = change.tensors ?? [weights];
  const metadata = change.metadata ?? [
    ['general.architecture', (b) => b.u32(type.string).text('llama')],
    ['numbers', (b) => b.u32(type.array).u32(type.u32).u64(2n).u32(7).u32(9)],
    ['flag', (b) => b.u32(type.bool).raw(1)],
  ];
  const bytes = new Bytes().raw(...new TextEncoder().encode(change.magic ?? 'GGUF'));
  bytes.u32(change.version ?? 3);
  bytes.u64(change.tensorCount ?? BigInt(tensors.length)).u64(BigInt(metadata.length));
  for (const [key, write] of metadata) write(bytes.text(key));
  for (const { name, sizes, ggmlType, offset } of tensors) {
    bytes.text(name).u32(sizes.length);
    for (const size of sizes) bytes.u64(size);
    bytes.u32(ggmlType).u64(offset);
  }
  while (bytes.list.length % 32 !== 0) bytes.raw(0);
  for (let i = 0; i < (change.dataBytes ?? 32 * 3 * 4); i += 1) bytes.raw(i & 255);
  return Uint8Array.from(bytes.list);
}

function whole(bytes: Uint8Array, fileBytes: number = bytes.byteLength): Whole {
  const parsed = parseGguf(bytes, fileBytes);
  if ('needBytes' in parsed) throw new Error(`asked for ${parsed.needBytes} bytes`);
  return parsed;
}

function errorOf(bytes: Uint8Array): VitrailError {
  try {
    whole(bytes);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VitrailError);
    return thrown as VitrailError;
  }
  throw new Error('the file was read');
}

/** Whatever the bytes are: an answer or a typed error. */
function expectTyped(bytes: Uint8Array, fileBytes: number): void {
  try {
    parseGguf(bytes, fileBytes);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VitrailError);
  }
}

describe('parseGguf', () => {
  it.each([2, 3])('reads metadata and tensors of version %i', (version) => {
    const { header, dataOffset } = whole(fileOf({ version }));
    expect([...header.metadata]).toEqual([
      ['general.architecture', 'llama'],
      ['numbers', Uint32Array.of(7, 9)],
      ['flag', true],
    ]);
    expect([...header.tensors.values()]).toEqual([
      { name: 'weights', format: 'f32', shape: [3, 32], offset: dataOffset, bytes: 384 },
    ]);
  });

  it('reads from any offset of a buffer', () => {
    const file = fileOf();
    const shifted = new Uint8Array(file.byteLength + 3);
    shifted.set(file, 3);
    expect(whole(shifted.subarray(3))).toEqual(whole(file));
  });

  it('keeps 64-bit numbers exact, and numbers where they fit', () => {
    const { metadata } = whole(
      fileOf({
        metadata: [
          ['small', (b) => b.u32(type.u64).u64(2n ** 53n - 1n)],
          ['large', (b) => b.u32(type.u64).u64(2n ** 53n)],
        ],
      }),
    ).header;
    expect(metadata.get('small')).toBe(2 ** 53 - 1);
    expect(metadata.get('large')).toBe(2n ** 53n);
  });

  it('keeps a byte order mark, which vocabularies have as a token', () => {
    const { metadata } = whole(
      fileOf({ metadata: [['token', (b) => b.u32(type.string).text('\ufeff')]] }),
    ).header;
    expect(metadata.get('token')).toBe('\ufeff');
  });

  it('puts the data where general.alignment says', () => {
    const { dataOffset } = whole(
      fileOf({ metadata: [['general.alignment', (b) => b.u32(type.u32).u32(8)]] }),
    );
    expect(dataOffset % 8).toBe(0);
    expect(dataOffset % 32).not.toBe(0);
  });

  it('asks for more until the header is whole, at every cut', () => {
    const bytes = fileOf();
    const { dataOffset } = whole(bytes);
    for (let cut = 0; cut < dataOffset - 32; cut += 1) {
      for (const fileBytes of [bytes.byteLength, null]) {
        const parsed = parseGguf(bytes.subarray(0, cut), fileBytes);
        expect('needBytes' in parsed && parsed.needBytes).toBeGreaterThan(cut);
      }
    }
  });
});

describe('a GGUF file that cannot be used', () => {
  const array = (elementType: number, count: bigint) => (b: Bytes) =>
    b.u32(type.array).u32(elementType).u64(count);
  const nested = (b: Bytes) => {
    b.u32(type.array);
    for (let depth = 0; depth < 10_000; depth += 1) b.u32(type.array).u64(1n);
  };
  const key = (write: (bytes: Bytes) => void) => fileOf({ metadata: [['key', write]] });
  const tensor = (change: Partial<TensorEntry>) => fileOf({ tensors: [{ ...weights, ...change }] });
  const two = (second: Partial<TensorEntry>) =>
    fileOf({ tensors: [weights, { ...weights, ...second }], dataBytes: 768 });

  it.each<[string, Uint8Array, RegExp]>([
    ['a web page', new TextEncoder().encode('<!doctype html><p>Not found'), /no GGUF/],
    ['another magic', fileOf({ magic: 'GGML' }), /no GGUF/],
    ['no bytes', new Uint8Array(), /ends inside/],
    ['a cut in the header', fileOf().subarray(0, 60), /ends inside|claims/],
    ['a cut in the data', fileOf().subarray(0, -1), /past the end/],
    ['2^60 tensors', fileOf({ tensorCount: 2n ** 60n }), /claims 1152921504606846976 tensors/],
    ['a text of 1 TB', key((b) => b.u32(type.string).u64(2n ** 40n)), /claims 1099511627776 bytes/],
    ['2^63 numbers', key(array(type.u32, 2n ** 63n)), /claims/],
    ['2^32 texts', key(array(type.string, 2n ** 32n)), /claims/],
    ['arrays in arrays', key(nested), /nested too deep/],
    ['an unknown value type', key((b) => b.u32(77)), /unknown type 77/],
    ['an alignment of 24', fileAligned(24), /alignment is 24/],
    ['an alignment of 0', fileAligned(0), /alignment is 0/],
    ['a key twice', fileTwice(), /'flag' stands there twice/],
    ['a name twice', two({ offset: 384n }), /'weights' stands there twice/],
    ['tensors that overlap', two({ name: 'more', offset: 352n }), /'weights' and 'more' overlap/],
    ['a misaligned tensor', tensor({ offset: 4n }), /not aligned/],
    ['an offset outside the file', tensor({ offset: 2n ** 50n }), /past the end/],
    ['an offset of 2^64 − 32', tensor({ offset: 2n ** 64n - 32n }), /the offset of 'weights'/],
    ['rows that overflow', tensor({ sizes: [32n, 2n ** 52n, 2n ** 52n] }), /past the end/],
    ['no rows', tensor({ sizes: [32n, 0n] }), /rows of 32/],
    ['no dimension', tensor({ sizes: [] }), /0 dimensions/],
    ['five dimensions', tensor({ sizes: [32n, 1n, 1n, 1n, 1n] }), /5 dimensions/],
    ['half a block a row', tensor({ sizes: [48n, 2n], ggmlType: 2 }), /rows of 48 in Q4_0/],
  ])('%s is model-corrupt', (_, bytes, message) => {
    const error = errorOf(bytes);
    expect(error.code).toBe('model-corrupt');
    expect(error.message).toMatch(message);
    expect(error.fix).toMatch(/Download the file again/);
  });

  it.each<[string, Uint8Array, RegExp, RegExp]>([
    ['version 1', fileOf({ version: 1 }), /version 1/, /version 2 or 3/],
    ['big endian', fileOf({ version: 0x0300_0000 }), /big endian/, /little-endian/],
    ['IQ2_XXS', tensor({ ggmlType: 16 }), /'weights' is stored in IQ2_XXS/, /Q4_0, .*IQ4_NL/],
    ['type 4,000', tensor({ ggmlType: 4000 }), /unknown type 4000/, /Q4_0/],
  ])('%s is model-unsupported', (_, bytes, message, fix) => {
    const error = errorOf(bytes);
    expect(error.code).toBe('model-unsupported');
    expect(error.message).toMatch(message);
    expect(error.fix).toMatch(fix);
  });

  it('costs no memory, however much a count claims that the rest of the file could hold', () => {
    const cut = { tensors: [], dataBytes: 0 };
    const claim = (write: (b: Bytes) => void) => fileOf({ ...cut, metadata: [['key', write]] });
    const claims = [
      fileOf({ ...cut, metadata: [], tensorCount: 2n ** 24n }),
      claim(array(type.bool, 2n ** 28n)),
      claim(array(type.string, 2n ** 25n)),
      claim(array(type.u8, 2n ** 28n)),
    ];
    const before = process.memoryUsage();
    for (const bytes of claims) {
      expect(parseGguf(bytes, 2 ** 30)).toHaveProperty('needBytes');
    }
    const after = process.memoryUsage();
    const grown = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
    expect(grown).toBeLessThan(16 * 2 ** 20);
  });

  it('gets an answer or a typed error, whatever bytes are changed or cut off', () => {
    const bytes = fileOf();
    fc.assert(
      fc.property(changes(bytes.length), fc.nat(bytes.length), (changed, cut) => {
        expectTyped(apply(changed, bytes).subarray(0, cut), bytes.length);
      }),
      { numRuns: 3000 },
    );
  });

  function fileAligned(alignment: number): Uint8Array {
    return fileOf({
      metadata: [['general.alignment', (b) => b.u32(type.u32).u32(alignment)]],
    });
  }

  function fileTwice(): Uint8Array {
    const flag = (b: Bytes) => b.u32(type.bool).raw(1);
    return fileOf({
      metadata: [
        ['flag', flag],
        ['flag', flag],
      ],
    });
  }
});

interface Change {
  at: number;
  bytes: Uint8Array;
}

/** Bytes overwritten here and there: single ones, and whole 64-bit numbers as counts and offsets are. */
function changes(length: number): fc.Arbitrary<Change[]> {
  const byte = fc.nat(255).map((value) => Uint8Array.of(value));
  const number = fc
    .oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(64).map(powerOfTwo))
    .map((value) => new Uint8Array(BigUint64Array.of(value).buffer));
  return fc.array(fc.record({ at: fc.nat(length - 8), bytes: fc.oneof(byte, number) }), {
    minLength: 1,
    maxLength: 6,
  });
}

function powerOfTwo(exponent: number): bigint {
  return 2n ** BigInt(exponent) - 1n;
}

function apply(changed: readonly Change[], bytes: Uint8Array): Uint8Array {
  const mutated = Uint8Array.from(bytes);
  for (const { at, bytes: part } of changed) mutated.set(part, at);
  return mutated;
}

const data = new URL('../../../shared/data/', import.meta.url);
const files = ['lm', 'tokenizers'].flatMap((folder) => {
  const url = new URL(folder, data);
  if (!existsSync(url)) return [];
  const names = readdirSync(url).filter((name) => name.endsWith('.gguf'));
  return names.map((name) => `${folder}/${name}`);
});
if (files.length === 0) console.info('skipped: real GGUF files (../shared/data is missing)');

/** Enough for the header of every one of them. */
const prefixBytes = 8 * 2 ** 20;

function prefixOf(name: string): { prefix: Uint8Array; fileBytes: number } {
  const path = new URL(name, data);
  const fileBytes = statSync(path).size;
  const prefix = new Uint8Array(Math.min(prefixBytes, fileBytes));
  const file = openSync(path, 'r');
  readSync(file, prefix);
  closeSync(file);
  return { prefix, fileBytes };
}

describe.skipIf(files.length === 0)('real GGUF files', () => {
  it.each(files)('%s reads as @huggingface/gguf reads it', async (name) => {
    const { prefix, fileBytes } = prefixOf(name);
    const { header, dataOffset } = whole(prefix, fileBytes);
    const path = fileURLToPath(new URL(name, data));
    const oracle = await parseWithOracle(path, { allowLocalFile: true });
    expect(BigInt(header.tensors.size)).toBe(oracle.metadata.tensor_count);
    expect(BigInt(header.metadata.size)).toBe(oracle.metadata.kv_count);
    for (const [key, value] of header.metadata) {
      expectSame(key, value, oracle.metadata[key as keyof typeof oracle.metadata]);
    }
    expect(BigInt(dataOffset)).toBe(oracle.tensorDataOffset);
    for (const { name, shape, dtype, offset } of oracle.tensorInfos) {
      const tensor = header.tensors.get(name);
      expect(tensor?.shape).toEqual(shape.map(Number).reverse());
      expect(tensor && quantFormat(tensor.format).ggmlType).toBe(dtype);
      expect(tensor?.offset).toBe(dataOffset + Number(offset));
    }
  });

  it('get an answer or a typed error, whatever bytes are changed', () => {
    for (const name of files.filter((file) => /stories260K|vocab-phi-3/.test(file))) {
      const { prefix, fileBytes } = prefixOf(name);
      const { dataOffset } = whole(prefix, fileBytes);
      const bytes = prefix.subarray(0, dataOffset);
      fc.assert(
        fc.property(changes(bytes.length), (changed) =>
          expectTyped(apply(changed, bytes), fileBytes),
        ),
        { numRuns: 100 },
      );
    }
  });
});

/** The oracle has plain lists for typed arrays, and loses a byte order mark at the start of a text. */
function expectSame(key: string, actual: MetadataValue, expected: unknown): void {
  if (!Array.isArray(expected)) {
    expect(actual, key).toBe(expected);
    return;
  }
  const elements = Array.from(actual as readonly unknown[]);
  expect(elements.length, key).toBe(expected.length);
  const different = elements.findIndex(
    (value, i) =>
      (typeof value === 'string' ? value.replace(/^\ufeff/, '') : value) !== expected[i],
  );
  expect(different, `first difference in ${key}`).toBe(-1);
}
