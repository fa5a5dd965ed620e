import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { halfToNumber, numberToHalf } from './half.ts';
import { quantFormat, quantFormatByGgmlType, quantFormats } from './registry.ts';

const folder = new URL('../../e2e/fixtures/quant/', import.meta.url);
const bytesOf = (name: string) => Uint8Array.from(readFileSync(new URL(name, folder)));
const floatsOf = (name: string) => new Float32Array(bytesOf(name).buffer);

describe('storage formats against the gguf package', () => {
  it('has an answer for every format', () => {
    const names: string[] = JSON.parse(readFileSync(new URL('formats.json', folder)).toString());
    expect(names.sort()).toEqual(quantFormats.map(({ name }) => name).sort());
  });

  it.each(quantFormats)('decodes $name', (format) => {
    const expected = floatsOf(`${format.name}.weights.bin`);
    const actual = new Float64Array(expected.length);
    format.dequantize(bytesOf(`${format.name}.blocks.bin`), actual);
    actual.forEach((weight, i) => {
      // The oracle rounds to single precision on the way.
      expect(Math.abs(weight - (expected[i] ?? Number.NaN))).toBeLessThanOrEqual(
        1e-6 * Math.max(1, Math.abs(weight)),
      );
    });
  });

  it.each(['q4_0', 'q8_0'])('quantizes to %s', (name) => {
    const expected = bytesOf(`quantize.${name}.bin`);
    const actual = new Uint8Array(expected.length);
    quantFormat(name).quantize?.(floatsOf('quantize.weights.bin'), actual);
    expect(actual).toEqual(expected);
  });

  it('knows formats by name and by number, and says which there are', () => {
    for (const format of quantFormats) {
      expect(quantFormat(format.name)).toBe(format);
      expect(quantFormatByGgmlType(format.ggmlType)).toBe(format);
    }
    expect(quantFormatByGgmlType(99)).toBeUndefined();
    expect(() => quantFormat('q9_9')).toThrow(VitrailError);
  });
});

describe('half precision', () => {
  it('is exact both ways for every number', () => {
    for (let bits = 0; bits < 0x1_0000; bits += 1) {
      const value = halfToNumber(bits);
      if (!Number.isNaN(value)) expect(numberToHalf(value)).toBe(bits);
    }
  });

  it('rounds to nearest, ties to even', () => {
    expect(numberToHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(numberToHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(numberToHalf(2 ** -25)).toBe(0);
    expect(numberToHalf(1e6)).toBe(0x7c00);
  });
});
