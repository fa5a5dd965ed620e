import { describe, expect, it } from 'vitest';
import { type PassLimits, rowsOfPass, type TokenBytes } from './pass-rows.ts';

/** Of Llama-3.2-1B: products are queries, keys and values; inputs are halves. */
const llama: TokenBytes = { residual: 8192, products: 12_288, inputs: 4096, activated: 16_384 };
/** Of Qwen2-0.5B with gates and ups in two formats, which no kernel activates where it makes them. */
const qwen: TokenBytes = { residual: 3584, products: 38_912, inputs: 1792, activated: 9728 };
const limits: PassLimits = {
  rows: 2048,
  bytes: Number.POSITIVE_INFINITY,
  bufferBytes: 2 ** 31,
};

describe('rowsOfPass', () => {
  it('gives as many as are asked for where memory holds them', () => {
    expect(rowsOfPass(llama, limits)).toBe(2048);
    expect(rowsOfPass(llama, { ...limits, bytes: 2048 * 40_960 })).toBe(2048);
    expect(rowsOfPass(qwen, { ...limits, rows: 300 })).toBe(300);
  });

  it('stays within its bytes, of all buffers and of each, by less than a step', () => {
    for (const bytes of [12e6, 30e6, 55e6]) {
      for (const token of [llama, qwen]) {
        const sizes = Object.values(token);
        const all = sizes.reduce((sum, size) => sum + size, 0);
        const rows = rowsOfPass(token, { ...limits, bytes });
        expect(rows * all).toBeLessThanOrEqual(bytes);
        if (rows < limits.rows) expect((rows + 32) * all).toBeGreaterThan(bytes);
        const widest = Math.max(...sizes);
        const bound = rowsOfPass(token, { ...limits, bufferBytes: bytes });
        expect(bound * widest).toBeLessThanOrEqual(bytes);
        if (bound < limits.rows) expect((bound + 32) * widest).toBeGreaterThan(bytes);
      }
    }
    expect(rowsOfPass(qwen, { ...limits, bytes: 40e6 })).toBe(736);
  });

  it('has room for a few tokens in any case, and for no more than are asked for', () => {
    expect(rowsOfPass(llama, { ...limits, bytes: 0 })).toBe(32);
    expect(rowsOfPass(llama, { ...limits, rows: 20, bytes: 0 })).toBe(20);
  });
});
