import { describe, expect, it } from 'vitest';
import { type PassLimits, rowsOfPass, type TokenBytes } from './pass-rows.ts';

/** Of Llama-3.2-1B: residual, inputs in halves, activated gates; queries, keys and values. */
const llama: TokenBytes = { kept: 8192 + 4096 + 16_384, products: 12_288 };
/** Of Qwen2-0.5B with gates and ups in two formats, which no kernel activates where it makes them. */
const qwen: TokenBytes = { kept: 3584 + 1792 + 9728, products: 38_912 };
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
      for (const { kept, products } of [llama, qwen]) {
        const all = rowsOfPass({ kept, products }, { ...limits, bytes });
        expect(all * (kept + products)).toBeLessThanOrEqual(bytes);
        if (all < limits.rows) expect((all + 32) * (kept + products)).toBeGreaterThan(bytes);
        const one = rowsOfPass({ kept, products }, { ...limits, bufferBytes: bytes });
        expect(one * products).toBeLessThanOrEqual(bytes);
        if (one < limits.rows) expect((one + 32) * products).toBeGreaterThan(bytes);
      }
    }
    expect(rowsOfPass(qwen, { ...limits, bytes: 40e6 })).toBe(736);
  });

  it('has room for a few tokens in any case, and for no more than are asked for', () => {
    expect(rowsOfPass(llama, { ...limits, bytes: 0 })).toBe(32);
    expect(rowsOfPass(llama, { ...limits, rows: 20, bytes: 0 })).toBe(20);
  });
});
