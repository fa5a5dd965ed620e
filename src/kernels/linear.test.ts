import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Capabilities } from '../gpu/capabilities.ts';
import { Gpu } from '../gpu/gpu.ts';
import { chooseVariant } from '../gpu/kernel.ts';
import { quantFormat } from '../quant/registry.ts';
import { everything } from '../testing/linked-shaders.ts';
import { linearMatrix } from './linear.ts';
import { matmul } from './matmul.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.create();
});
afterAll(() => gpu.dispose());

function tiles(rows: number, leastTokens: number, more: Partial<Capabilities> = {}): string {
  const use = {
    format: quantFormat('q4_0'),
    rows,
    columns: 2048,
    x: 'f16',
    yStride: rows,
  } as const;
  const capabilities = { ...everything, ...more };
  return chooseVariant(matmul, { ...use, leastTokens }, capabilities).name;
}

describe('linearMatrix', () => {
  it('takes larger tiles in large passes, where workgroup memory holds them', () => {
    expect([0, 129].map((tokens) => tiles(2048, tokens))).toEqual(['matrix-32x64', 'matrix-64x64']);
    expect(tiles(4096, 1536)).toBe('matrix-128x128-8');
    expect(tiles(2048, 768)).toBe('matrix-128x128-8');
    expect(tiles(2048, 768, { workgroupStorageBytes: 32_768 })).toBe('tiled-64');
    expect([768, 1536].map((tokens) => tiles(3072, tokens))).toEqual([
      'matrix-64x128',
      'matrix-128x128',
    ]);
    expect([0, 65, 1536].map((tokens) => tiles(8192, tokens))).toEqual([
      'matrix-64x64',
      'matrix-128x128',
      'matrix-128x128',
    ]);
    expect(tiles(576, 1920)).toBe('matrix-32x64');
    expect([65, 129, 1920].map((tokens) => tiles(896, tokens))).toEqual([
      'matrix-32x64',
      'matrix-64x64',
      'matrix-128x128-8',
    ]);
  });

  it('records nothing for a dispatch that leaves the pass to another', async () => {
    const { STORAGE } = GPUBufferUsage;
    const buffer = (bytes: number) => gpu.createBuffer('test', bytes, STORAGE);
    const format = quantFormat('f32');
    const matrix = { buffer: buffer(32 * 32 * 4), format, rows: 32, columns: 32 };
    const parts = [{ matrix, yOffset: 0, bias: null }];
    const linear = { parts, rows: 32, columns: 32 };
    const more = { state: buffer(1024), inputs: 'f32' } as const;
    const [dispatch] = await Promise.all(
      linearMatrix(gpu, linear, buffer(4096), buffer(4096), more),
    );
    if (!dispatch) throw new Error('nothing prepared');
    const before = gpu.stats().calls.dispatches;
    gpu.submit([dispatch, { ...dispatch, workgroups: () => [0, 0, 0] }], 8);
    expect(gpu.stats().calls.dispatches - before).toBe(1);
  });
});
