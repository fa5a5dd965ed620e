import { describe, expect, it } from 'vitest';
import { PassSize } from './pass-size.ts';

function rowsAfter(mostRows: number, times: readonly number[]): number {
  const size = new PassSize(mostRows);
  for (const ms of times) size.adapt(ms);
  return size.rows;
}

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
