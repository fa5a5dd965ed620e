import { describe, expect, it } from 'vitest';
import type { FrameWay } from '../types.ts';
import { FrameWays } from './frame-ways.ts';

/** The ways of frames whose times are these, until one is chosen. */
function tried(ways: FrameWays, times: Record<FrameWay, number[]>): FrameWay[] {
  const taken: FrameWay[] = [];
  for (;;) {
    const { way, isTrial } = ways.next('I420');
    if (!isTrial) return taken;
    ways.tell(way, times[way].shift() ?? Number.NaN);
    taken.push(way);
  }
}

describe('the way of frames to the GPU', () => {
  it('is the one whose least time is less, after five frames of each by turns', () => {
    const ways = new FrameWays();
    const taken = tried(ways, { import: [9, 2.1, 2.2, 7, 8], copy: [30, 3, 8, 1.2, 9] });
    expect(taken).toEqual(Array.from({ length: 5 }, () => ['import', 'copy']).flat());
    expect(ways.next('I420')).toEqual({ way: 'copy', isTrial: false });
    const others = new FrameWays();
    tried(others, { import: [2, 2, 2, 0.4, 2], copy: [1, 1, 1, 1, 1] });
    expect(others.next('I420')).toEqual({ way: 'import', isTrial: false });
  });

  it('is chosen anew for frames of another kind, and kept for frames of other sizes', () => {
    const ways = new FrameWays();
    tried(ways, { import: [2, 2, 2, 2, 2], copy: [1, 1, 1, 1, 1] });
    expect(ways.next('NV12').isTrial).toBe(true);
    expect(ways.next('I420').isTrial).toBe(true);
  });

  it('is an import where a frame cannot be copied, whatever is asked', () => {
    const ways = new FrameWays();
    expect(ways.next(null)).toEqual({ way: 'import', isTrial: false });
    expect(ways.next(null, 'copy')).toEqual({ way: 'import', isTrial: false });
  });

  it('is an import once the bytes of a frame were not given, until frames are of another kind', () => {
    const ways = new FrameWays();
    ways.refuse();
    expect(ways.next('I420').isTrial).toBe(true);
    ways.refuse();
    expect(ways.next('I420')).toEqual({ way: 'import', isTrial: false });
    expect(ways.next('I420', 'copy')).toEqual({ way: 'import', isTrial: false });
    expect(ways.next('NV12', 'copy')).toEqual({ way: 'copy', isTrial: false });
  });

  it('is the one that is asked for, without trials', () => {
    const ways = new FrameWays();
    expect(ways.next('I420', 'copy')).toEqual({ way: 'copy', isTrial: false });
    expect(ways.next('I420', 'import')).toEqual({ way: 'import', isTrial: false });
    expect(ways.next('I420').isTrial).toBe(true);
  });
});
