import { describe, expect, it } from 'vitest';
import { evenRows, PassSize } from './pass-size.ts';

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
