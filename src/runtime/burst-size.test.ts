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
    expect(seen).toEqual([2, 4, 8, 8]);
  });

  it('keeps to single steps where one takes long', () => {
    const size = new BurstSize();
    size.adapt(1, 30);
    expect(size.steps).toBe(1);
  });

  it('shrinks at once when steps become slower', () => {
    const size = new BurstSize();
    for (let i = 0; i < 4; i += 1) size.adapt(1, 0.5);
    size.adapt(8, 32);
    expect(size.steps).toBe(2);
  });
});
