import { describe, expect, it } from 'vitest';
import { matmul } from '../kernels/matmul.ts';
import { quantFormat } from '../quant/registry.ts';
import {
  type PassLimits,
  productBytes,
  shapeOfPass,
  slabsOf,
  type TokenBytes,
} from './pass-shape.ts';

/** Of Llama-3.2-1B: residual, inputs in halves, activated gates; queries, keys and values; gates and ups. */
const llama: TokenBytes = { kept: 8192 + 4096 + 16_384, products: 12_288, gateUp: 65_536 };
const qwen: TokenBytes = { kept: 3584 + 1792 + 9728, products: 4608, gateUp: 38_912 };
const limits: PassLimits = {
  rows: 2048,
  bytes: Number.POSITIVE_INFINITY,
  bufferBytes: 2 ** 31,
  slabRows: 0,
};

function bytesOf(bytes: TokenBytes, limit: Partial<PassLimits>): number {
  const shape = shapeOfPass(bytes, { ...limits, ...limit });
  return shape.rows * bytes.kept + productBytes(bytes, shape);
}

describe('shapeOfPass', () => {
  it('leaves a pass whole where memory holds it', () => {
    expect(shapeOfPass(llama, limits)).toEqual({ rows: 2048, slabRows: 2048 });
  });

  it('takes as few slabs as long passes need', () => {
    expect(shapeOfPass(llama, { ...limits, bytes: 140e6 })).toEqual({ rows: 2048, slabRows: 1024 });
    expect(shapeOfPass(llama, { ...limits, bytes: 111e6 })).toEqual({ rows: 2048, slabRows: 768 });
    expect(shapeOfPass(qwen, { ...limits, bytes: 55e6 })).toEqual({ rows: 2048, slabRows: 512 });
  });

  it('stays within its bytes, of all buffers and of each', () => {
    for (const bytes of [12e6, 30e6, 55e6, 140e6]) {
      expect(bytesOf(llama, { bytes })).toBeLessThanOrEqual(bytes);
      expect(bytesOf(qwen, { bytes })).toBeLessThanOrEqual(bytes);
      const shape = shapeOfPass(llama, { ...limits, bufferBytes: bytes });
      expect(productBytes(llama, shape)).toBeLessThanOrEqual(bytes);
    }
  });

  it('ends slabs where tiles of products end', () => {
    const { slabRows } = shapeOfPass(qwen, { ...limits, rows: 1920, bytes: 55e6 });
    const format = quantFormat('q4_0');
    const use = { format, rows: 9728, columns: 896, x: 'f16', yStride: 9728 } as const;
    for (const variant of matmul.variants) {
      const [, , one] = variant.workgroups(use, slabRows);
      const [, , two] = variant.workgroups(use, 2 * slabRows);
      expect([slabRows, variant.name, two]).toEqual([640, variant.name, 2 * one]);
    }
  });

  it('takes shorter passes before slabs that leave a GPU without work', () => {
    const shape = shapeOfPass(qwen, { ...limits, bytes: 40e6, slabRows: 512 });
    expect(shape.slabRows).toBeGreaterThanOrEqual(512);
    expect(shape.rows).toBeLessThan(2048);
    const whole = shapeOfPass(qwen, { ...limits, bytes: 40e6, slabRows: Number.POSITIVE_INFINITY });
    expect(whole).toEqual({ rows: 736, slabRows: 736 });
  });

  it('has room for a few tokens in any case, and for no more than are asked for', () => {
    expect(shapeOfPass(llama, { ...limits, bytes: 0 }).rows).toBe(32);
    expect(shapeOfPass(llama, { ...limits, rows: 20, bytes: 0 })).toEqual({
      rows: 20,
      slabRows: 20,
    });
  });
});

describe('slabsOf', () => {
  it('covers every token once', () => {
    expect(slabsOf({ rows: 1120, slabRows: 512 })).toEqual([
      { first: 0, rows: 512 },
      { first: 512, rows: 512 },
      { first: 1024, rows: 96 },
    ]);
  });
});
