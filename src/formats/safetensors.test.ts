import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { parseSafetensorsHeader, parseSafetensorsIndex } from './safetensors.ts';

function fileOf(header: unknown, dataBytes = 64): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const header = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 4], data_offsets: [0, 32] },
  b: { dtype: 'BF16', shape: [16], data_offsets: [32, 64] },
};

function codeOf(bytes: Uint8Array): string {
  try {
    parseSafetensorsHeader(bytes, bytes.byteLength);
    return 'fine';
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VitrailError);
    return (thrown as VitrailError).code;
  }
}

describe('parseSafetensorsHeader', () => {
  it('reads tensors and metadata', () => {
    const bytes = fileOf(header);
    const parsed = parseSafetensorsHeader(bytes, bytes.byteLength);
    if ('needBytes' in parsed) throw new Error('asked for more');
    expect(parsed.header.metadata.get('format')).toBe('pt');
    expect([...parsed.header.tensors.values()]).toEqual([
      { name: 'a', format: 'f32', shape: [2, 4], offset: parsed.dataOffset, bytes: 32 },
      { name: 'b', format: 'bf16', shape: [16], offset: parsed.dataOffset + 32, bytes: 32 },
    ]);
  });

  it('asks for the rest of a header', () => {
    const bytes = fileOf(header);
    expect(parseSafetensorsHeader(bytes.subarray(0, 3), bytes.byteLength)).toEqual({
      needBytes: 8,
    });
    expect(parseSafetensorsHeader(bytes.subarray(0, 20), null)).toEqual({
      needBytes: bytes.byteLength - 64,
    });
  });

  it('says what is wrong', () => {
    const tensor = (change: object) => fileOf({ a: { ...header.a, ...change } });
    expect(codeOf(tensor({ dtype: 'F8_E4M3' }))).toBe('model-unsupported');
    expect(codeOf(tensor({ shape: [2, 5] }))).toBe('model-corrupt');
    expect(codeOf(tensor({ shape: [-2, -4] }))).toBe('model-corrupt');
    expect(codeOf(tensor({ dtype: 'constructor' }))).toBe('model-unsupported');
    expect(codeOf(tensor({ dtype: { toString: 1 } }))).toBe('model-unsupported');
    expect(codeOf(tensor({ shape: [2 ** 52, 2 ** 52] }))).toBe('model-corrupt');
    expect(codeOf(tensor({ data_offsets: [64, 96] }))).toBe('model-corrupt');
    expect(codeOf(fileOf({ ...header, c: header.b }))).toBe('model-corrupt');
    expect(codeOf(fileOf({ ...header, __metadata__: { format: 1 } }))).toBe('model-corrupt');
    expect(codeOf(fileOf('{"a": '))).toBe('model-corrupt');
    expect(codeOf(fileOf('[]'))).toBe('model-corrupt');
    expect(codeOf(new Uint8Array(4))).toBe('model-corrupt');
    expect(codeOf(new Uint8Array(8).fill(255))).toBe('model-corrupt');
  });

  it('never throws anything untyped, whatever is changed', () => {
    const bytes = fileOf(header);
    const change = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), fc.nat(bytes.length), (changes, cut) => {
        const mutated = bytes.slice(0, cut);
        for (const { at, value } of changes) if (at < cut) mutated[at] = value;
        codeOf(mutated);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseSafetensorsIndex', () => {
  it('gives the file of each tensor, and refuses paths', () => {
    const text = JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors' } });
    expect(parseSafetensorsIndex(text).get('a')).toBe('model-00001-of-00002.safetensors');
    expect(() => parseSafetensorsIndex('{"weight_map": {"a": "../secret"}}')).toThrow(VitrailError);
    expect(() => parseSafetensorsIndex('{"weight_map": {"a": ".."}}')).toThrow(VitrailError);
    expect(() => parseSafetensorsIndex('{}')).toThrow(VitrailError);
  });
});
