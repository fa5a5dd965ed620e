import { describe, expect, it } from 'vitest';
import { endOfPass, evenRows, PassSize, questionRows } from './pass-size.ts';

function rowsAfter(mostRows: number, times: readonly number[]): number {
  const size = new PassSize(mostRows);
  for (const ms of times) size.adapt(ms);
  return size.rows;
}

describe('evenRows', () => {
  it('makes as few passes as can be, about as long', () => {
    expect(evenRows(2048, 2048)).toBe(2048);
    expect(evenRows(2048, 1216)).toBe(1024);
    expect(evenRows(2049, 1024)).toBe(688);
    expect(evenRows(5, 1024)).toBe(5);
    expect(evenRows(33, 32)).toBe(32);
  });

  it('comes to an end, with no pass too long', () => {
    for (let length = 1; length < 300; length += 7) {
      let left = length;
      while (left > 0) {
        const rows = evenRows(left, 32);
        expect(rows).toBeGreaterThan(0);
        expect(rows).toBeLessThanOrEqual(32);
        left -= rows;
      }
    }
  });
});

describe('endOfPass', () => {
  function passesOf(length: number, rows: number, isSelecting: boolean, from = 0): number[] {
    const ends: number[] = [];
    for (let first = from; first < length; first = ends.at(-1) ?? length) {
      ends.push(endOfPass(first, length, rows, isSelecting));
    }
    return ends.map((end, i) => end - (ends[i - 1] ?? from));
  }

  it('makes each token of the question a pass where tokens are selected', () => {
    const question = Array.from({ length: questionRows }, () => 1);
    expect(passesOf(80, 32, true)).toEqual([32, 32, ...question]);
    expect(passesOf(80, 32, true, 70)).toEqual(question.slice(0, 10));
    expect(passesOf(10, 32, true)).toEqual(question.slice(0, 10));
  });

  it('has as few passes as can be elsewhere', () => {
    expect(passesOf(80, 32, false)).toEqual([32, 32, 16]);
    expect(passesOf(20, 32, false, 18)).toEqual([2]);
  });
});

describe('PassSize', () => {
  it('grows on a fast GPU up to what the decoder has room for', () => {
    expect(rowsAfter(1024, [])).toBe(256);
    expect(rowsAfter(1024, [10])).toBe(512);
    expect(rowsAfter(1024, [10, 10, 10, 10])).toBe(1024);
    expect(rowsAfter(576, [10, 10])).toBe(576);
  });

  it('shrinks on a slow one, but not for ever', () => {
    expect(rowsAfter(1024, [400])).toBe(128);
    expect(rowsAfter(1024, [400, 400, 400, 400, 400])).toBe(32);
    expect(rowsAfter(32, [4000])).toBe(32);
  });

  it('lets passes follow each other only once one was short', () => {
    const size = new PassSize(1024);
    expect(size.isQuick).toBe(false);
    size.adapt(10);
    expect(size.isQuick).toBe(true);
    size.adapt(100);
    expect(size.isQuick).toBe(false);
  });

  it('stays where passes are neither short nor long', () => {
    expect(rowsAfter(1024, [10, 100, 200])).toBe(512);
  });
});
