import { expect, test } from 'vitest';
import { type AttentionMode, type AttentionTime, timeAttention } from './time-attention.ts';

interface Timed {
  mode: AttentionMode;
  /** Kernels of attention of a step of two layers. */
  dispatches: number;
  /** Are they slower in a longer context? */
  grows: boolean;
}

const timed: readonly Timed[] = [
  { mode: 'dense', dispatches: 2, grows: true },
  // A dispatch a layer makes coefficients.
  { mode: 'narrow', dispatches: 4, grows: true },
  // Six behind all layers keep the token and may select.
  { mode: 'kept', dispatches: 8, grows: false },
];

test.for(timed)(
  '$mode: attention of a step is timed apart',
  { timeout: 60_000 },
  async ({ mode, dispatches, grows }) => {
    const times: AttentionTime[] = [];
    await timeAttention('tiny', mode, [1, 1100], (time) => times.push(time));
    expect(times.map(({ position }) => position)).toEqual([1, 1100]);
    for (const { decode, prefill } of times) {
      const { dispatches: counted, ...clocks } = decode;
      expect(counted).toBe(dispatches);
      for (const time of Object.values(clocks)) expect(time).toBeGreaterThan(0);
      expect(prefill.attention).toBeGreaterThan(0);
    }
    const [near = 0, far = 0] = times.map(({ decode }) => decode.attention);
    if (grows) expect(far).toBeGreaterThan(2 * near);
  },
);
