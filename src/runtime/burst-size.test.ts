import { describe, expect, it } from 'vitest';
import { BurstSize } from './burst-size.ts';

describe('BurstSize', () => {
  it('begins with single steps and doubles while they are short', () => {
    const size = new BurstSize();
    expect(size.steps).toBe(1);
    const seen = [1, 2, 4, 8].map(() => {
      size.adapt(size.steps, 0.8 * size.steps);
      return size.steps;
    });
    expect(seen).toEqual([2, 4, 4, 4]);
  });

  it('keeps to single steps where one takes long', () => {
    const size = new BurstSize();
    size.adapt(1, 30);
    expect(size.steps).toBe(1);
  });

  it('shrinks at once when steps become slower', () => {
    const size = new BurstSize();
    for (let i = 0; i < 4; i += 1) size.adapt(1, 0.5);
    size.adapt(4, 16);
    expect(size.steps).toBe(2);
  });

  it('has more bursts wait where they are short', () => {
    const size = new BurstSize();
    const seen = [0.6, 0.6, 0.6, 1.5, 3, 30].map((ms) => {
      size.adapt(4, 4 * ms);
      return [size.steps, size.bursts];
    });
    expect(seen).toEqual([
      [2, 4],
      [4, 4],
      [4, 4],
      [4, 2],
      [2, 2],
      [1, 2],
    ]);
  });
});
