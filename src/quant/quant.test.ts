import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { rowLayout } from './format.ts';
import { halfToNumber, numberToHalf } from './half.ts';
import { quantFormat, quantFormatByGgmlType, quantFormats } from './registry.ts';

const folder = new URL('../../e2e/fixtures/quant/', import.meta.url);
/** Weights of each format in the fixtures. */
const elements = 1536;
const bytesOf = (name: string) => Uint8Array.from(readFileSync(new URL(name, folder)));
const floatsOf = (name: string) => new Float32Array(bytesOf(name).buffer);

describe('storage formats against the gguf package', () => {
  it('has an answer for every format', () => {
    const names: string[] = JSON.parse(readFileSync(new URL('formats.json', folder)).toString());
    expect(names.sort()).toEqual(quantFormats.map(({ name }) => name).sort());
  });

  it.each(quantFormats)('decodes $name, bit for bit', (format) => {
    const expected = floatsOf(`${format.name}.weights.bin`);
    const actual = new Float32Array(expected.length);
    format.dequantize(bytesOf(`${format.name}.blocks.bin`), actual);
    const different = actual.findIndex((weight, i) => weight !== expected[i]);
    expect(different, 'first weight that differs').toBe(-1);
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

describe('the GPU layout', () => {
  it.each(quantFormats)('of $name is the same wherever the row starts in its buffers', (format) => {
    const file = bytesOf(`${format.name}.blocks.bin`);
    const { rowBytes } = rowLayout(format, elements);
    const expected = new Uint8Array(rowBytes);
    format.repackRow(file, expected);
    const shiftedFile = new Uint8Array(file.length + 1);
    shiftedFile.set(file, 1);
    const shifted = new Uint8Array(rowBytes + 3);
    format.repackRow(shiftedFile.subarray(1), shifted.subarray(3));
    expect(shifted.subarray(3)).toEqual(expected);
    expect(shifted.subarray(0, 3)).toEqual(new Uint8Array(3));
  });

  it('has element 8w + 2j of a group at bits 4j of word w, and the one behind it 16 bits on', () => {
    const numbers = Array.from({ length: 32 }, (_, e) => (e * 7 + 3) % 16);
    const block = new Uint8Array(18);
    for (let j = 0; j < 16; j += 1) {
      block[2 + j] = (numbers[j] as number) | ((numbers[j + 16] as number) << 4);
    }
    const gpu = new Uint8Array(rowLayout(quantFormat('q4_0'), 32).rowBytes);
    quantFormat('q4_0').repackRow(block, gpu);
    const words = new Uint32Array(gpu.buffer, 0, 4);
    const unpacked = numbers.map((_, e) => {
      const word = words[e >> 3] as number;
      return (word >>> (4 * ((e & 7) >> 1) + 16 * (e & 1))) & 15;
    });
    expect(unpacked).toEqual(numbers);
  });

  it('pads planes to 4 bytes and rows to 16', () => {
    // Five groups: 80 bytes of nibbles, 20 of fifth bits, 10 of scales.
    expect(rowLayout(quantFormat('q5_0'), 160)).toEqual({ planes: [0, 80, 100], rowBytes: 112 });
    expect(rowLayout(quantFormat('f16'), 33)).toEqual({ planes: [0], rowBytes: 128 });
  });
});

describe('half precision', () => {
  it('is exact both ways for every number', () => {
    const different = Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter((bits) => {
      const value = halfToNumber(bits);
      return !Number.isNaN(value) && numberToHalf(value) !== bits;
    });
    expect(different).toEqual([]);
    expect([0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff].map(halfToNumber)).toEqual([
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      1,
      -2,
      65_504,
    ]);
    expect([0x7c00, 0xfc00, 0x7c01].map(halfToNumber)).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
  });

  it('rounds to nearest, ties to even', () => {
    expect(numberToHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(numberToHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(numberToHalf(2 ** -25)).toBe(0);
    expect(numberToHalf(1e6)).toBe(0x7c00);
    // Between each half and the next one: just below the middle, the middle, just above it.
    const wrong = Array.from({ length: 0x7bff }, (_, bits) => bits).filter((bits) => {
      const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)];
      const middle = (low + high) / 2;
      const found = [middle - (high - low) * 1e-9, middle, middle + (high - low) * 1e-9]
        .flatMap((value) => [value, -value])
        .map(numberToHalf);
      const up = bits + 1;
      const wanted = [bits, bits % 2 === 0 ? bits : up, up].flatMap((h) => [h, h | 0x8000]);
      return found.some((half, i) => half !== wanted[i]);
    });
    expect(wrong).toEqual([]);
    expect(numberToHalf(65_519.999)).toBe(0x7bff);
    expect([65_520, -65_520, Number.NaN].map(numberToHalf)).toEqual([0x7c00, 0xfc00, 0x7e00]);
  });
});
