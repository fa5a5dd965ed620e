import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { type GgufParse, parseGguf } from './gguf.ts';

const data = new URL('../../../shared/data/', import.meta.url);
const files = ['lm', 'tokenizers'].flatMap((folder) =>
  existsSync(new URL(folder, data))
    ? readdirSync(new URL(folder, data))
        .filter((name) => name.endsWith('.gguf'))
        .map((name) => `${folder}/${name}`)
    : [],
);

/** A file with one tensor and one value of each kind, as bytes. */
function smallFile(
  change: Partial<{ magic: string; version: number; tensors: bigint }> = {},
): Uint8Array {
  const parts: number[] = [];
  const push = (bytes: Uint8Array) => parts.push(...bytes);
  const u32 = (value: number) => push(new Uint8Array(Uint32Array.of(value).buffer));
  const u64 = (value: bigint) => push(new Uint8Array(BigUint64Array.of(value).buffer));
  const text = (value: string) => {
    u64(BigInt(value.length));
    push(new TextEncoder().encode(value));
  };
  push(new TextEncoder().encode(change.magic ?? 'GGUF'));
  u32(change.version ?? 3);
  u64(change.tensors ?? 1n);
  u64(3n);
  text('general.architecture');
  u32(8);
  text('llama');
  text('numbers');
  u32(9);
  u32(4);
  u64(2n);
  u32(7);
  u32(9);
  text('flag');
  u32(7);
  push(Uint8Array.of(1));
  text('weights');
  u32(2);
  u64(32n);
  u64(3n);
  u32(0);
  u64(0n);
  while (parts.length % 32 !== 0) parts.push(0);
  for (let i = 0; i < 32 * 3 * 4; i += 1) parts.push(i & 255);
  return Uint8Array.from(parts);
}

function whole(bytes: Uint8Array): Exclude<GgufParse, { needBytes: number }> {
  const parsed = parseGguf(bytes, bytes.byteLength);
  if ('needBytes' in parsed) throw new Error('asked for more than the file has');
  return parsed;
}

function codeOf(bytes: Uint8Array): string {
  try {
    whole(bytes);
    return 'fine';
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VitrailError);
    return (thrown as VitrailError).code;
  }
}

describe('parseGguf', () => {
  it('reads metadata and tensors of a small file', () => {
    const { header, dataOffset } = whole(smallFile());
    expect(header.metadata.get('general.architecture')).toBe('llama');
    expect(header.metadata.get('numbers')).toEqual(Uint32Array.of(7, 9));
    expect(header.metadata.get('flag')).toBe(true);
    expect(header.tensors.get('weights')).toEqual({
      name: 'weights',
      format: 'f32',
      shape: [3, 32],
      offset: dataOffset,
      bytes: 384,
    });
  });

  it('asks for more until the header is whole, at every cut', () => {
    const bytes = smallFile();
    const { dataOffset } = whole(bytes);
    for (let cut = 0; cut < dataOffset - 32; cut += 1) {
      const parsed = parseGguf(bytes.subarray(0, cut), bytes.byteLength);
      expect('needBytes' in parsed && parsed.needBytes).toBeGreaterThan(cut);
    }
  });

  it('says what is wrong', () => {
    expect(codeOf(new TextEncoder().encode('<!doctype html><title>Not found</title>'))).toBe(
      'model-corrupt',
    );
    expect(codeOf(smallFile({ magic: 'GGML' }))).toBe('model-corrupt');
    expect(codeOf(smallFile({ version: 1 }))).toBe('model-unsupported');
    expect(codeOf(smallFile({ version: 0x0300_0000 }))).toBe('model-unsupported');
    expect(codeOf(smallFile({ tensors: 2n ** 60n }))).toBe('model-corrupt');
    expect(codeOf(smallFile().subarray(0, -1))).toBe('model-corrupt');
    expect(codeOf(new Uint8Array())).toBe('model-corrupt');
  });

  it('refuses absurd lengths without allocating them', () => {
    const bytes = smallFile();
    // The length of the first key.
    new DataView(bytes.buffer).setBigUint64(24, 2n ** 40n, true);
    expect(codeOf(bytes)).toBe('model-corrupt');
  });

  it('names an unknown storage format', () => {
    const bytes = smallFile();
    const { dataOffset } = whole(bytes);
    const view = new DataView(bytes.buffer);
    let at = dataOffset - 12;
    while (view.getUint32(at, true) !== 0 || view.getBigUint64(at - 8, true) !== 3n) at -= 1;
    view.setUint32(at, 99, true);
    expect(() => whole(bytes)).toThrow(/type 99/);
  });

  it('never throws anything untyped and never hangs, whatever is changed', () => {
    const bytes = smallFile();
    const change = fc.record({
      at: fc.nat(bytes.length - 1),
      value: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat(bytes.length), (changes, cut) => {
        const mutated = bytes.slice(0, cut);
        for (const { at, value } of changes) if (at < cut) mutated[at] = value;
        codeOf(mutated);
      }),
      { numRuns: 3000 },
    );
  });

  it.skipIf(files.length === 0)(
    'reads every real file, and survives changes of their headers',
    () => {
      for (const name of files) {
        const bytes = readFileSync(new URL(name, data));
        const { header } = whole(bytes);
        expect(typeof header.metadata.get('general.architecture')).toBe('string');
        expect(header.metadata.get('tokenizer.ggml.tokens')).toBeInstanceOf(Array);
      }
      const bytes = readFileSync(new URL('lm/stories260K.gguf', data));
      const change = fc.record({ at: fc.nat(20_000), value: fc.integer({ min: 0, max: 255 }) });
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const mutated = Uint8Array.from(bytes.subarray(0, 40_000));
          for (const { at, value } of changes) mutated[at] = value;
          try {
            parseGguf(mutated, bytes.byteLength);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(VitrailError);
          }
        }),
        { numRuns: 300 },
      );
    },
  );
  if (files.length === 0) console.info('skipped real GGUF files: ../shared/data is missing');
});
