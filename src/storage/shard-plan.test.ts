import { describe, expect, it } from 'vitest';
import type { TensorInfo } from '../formats/header.ts';
import { fileRowBytes, rowLayout } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import { type PlanOptions, planShards } from './shard-plan.ts';

const options: PlanOptions = { maxShardBytes: 4096 };

/** Tensors one behind the other, with a gap of 32 bytes in between. */
function tensorsOf(...entries: [string, string, number[]][]): TensorInfo[] {
  let offset = 1000;
  return entries.map(([name, format, shape]) => {
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    const bytes = rows * fileRowBytes(quantFormat(format), shape.at(-1) ?? 1);
    const tensor = { name, format, shape, offset, bytes };
    offset += bytes + 32;
    return tensor;
  });
}

const tensors = tensorsOf(
  ['norm', 'f32', [64]],
  ['matrix', 'q4_0', [300, 64]],
  ['experts', 'f16', [2, 5, 96]],
  ['bias', 'f16', [7]],
);

describe('planShards', () => {
  it('covers every row once, in file order', () => {
    const pieces = planShards([tensors], options).flatMap((shard) => shard.pieces);
    for (const tensor of tensors) {
      const own = pieces.filter((piece) => piece.tensor === tensor);
      let nextRow = 0;
      for (const { firstRow, rows } of own) {
        expect(firstRow).toBe(nextRow);
        nextRow += rows;
      }
      expect(nextRow).toBe(tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1));
    }
    expect([...new Set(pieces.map(({ tensor }) => tensor.name))]).toEqual(
      tensors.map(({ name }) => name),
    );
  });

  it('packs small tensors together and keeps to the limit', () => {
    const shards = planShards([tensors], options);
    expect(shards.every(({ bytes }) => bytes <= 4096)).toBe(true);
    expect(shards.map(({ pieces }) => pieces.map(({ tensor }) => tensor.name))).toEqual([
      ['norm', 'matrix'],
      ['matrix'],
      ['matrix'],
      ['matrix', 'experts'],
      ['experts', 'bias'],
    ]);
    for (const { pieces, bytes } of shards) {
      let at = 0;
      for (const piece of pieces) {
        expect(piece.at).toBe(at);
        const columns = piece.tensor.shape.at(-1) ?? 1;
        expect(piece.rowBytes).toBe(rowLayout(piece.format, columns).rowBytes);
        at += piece.rows * piece.rowBytes;
      }
      expect(bytes).toBe(at);
    }
  });

  it('knows the bytes of the file that a shard is made of', () => {
    const shards = planShards([tensors], options);
    expect(shards[0]?.from).toBe(1000);
    expect(shards.at(-1)?.to).toBe(1000 + 256 + 32 + 300 * 36 + 32 + 10 * 192 + 32 + 14);
    shards.slice(1).forEach(({ from }, index) => {
      expect(from).toBeGreaterThanOrEqual(shards[index]?.to ?? 0);
    });
  });

  it('gives a row that is longer than a shard one of its own', () => {
    const [long] = planShards([tensorsOf(['long', 'f32', [1, 2048]])], options);
    expect(long?.bytes).toBe(8192);
  });

  it('keeps files apart', () => {
    const shards = planShards(
      [tensorsOf(['a', 'f32', [8]]), tensorsOf(['b', 'f32', [8]])],
      options,
    );
    expect(shards.map(({ file }) => file)).toEqual([0, 1]);
  });

  it.each<[string, TensorInfo[], string]>([
    [
      'tensors that overlap',
      [
        { name: 'a', format: 'f32', shape: [8], offset: 0, bytes: 32 },
        { name: 'b', format: 'f32', shape: [8], offset: 31, bytes: 32 },
      ],
      'model-corrupt',
    ],
    [
      'a row that does not fit in memory',
      tensorsOf(['a', 'f32', [2, 2 ** 24]]),
      'model-unsupported',
    ],
    ['more than a browser holds', tensorsOf(['a', 'f32', [2 ** 40, 32]]), 'model-unsupported'],
    [
      'an unknown format',
      [{ name: 'a', format: 'i64', shape: [8], offset: 0, bytes: 64 }],
      'model-unsupported',
    ],
  ])('refuses %s', (_, tensors, code) => {
    expect(() => planShards([tensors], options)).toThrow(expect.objectContaining({ code }));
  });
});
