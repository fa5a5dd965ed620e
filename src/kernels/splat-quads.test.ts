import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { halfToNumber } from '../quant/half.ts';
import { splatQuadsCases, splatQuadsReference } from './splat-quads.ref.ts';
import { prepareSplatQuads } from './splat-quads.ts';

describe('splat-quads', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  it.each(splatQuadsCases)('$name', async ({ scene }) => {
    const { width, height } = scene;
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const upload = (name: string, data: Float32Array | Uint32Array, usage: number): GPUBuffer => {
      const buffer = gpu.createBuffer(name, data.byteLength, usage);
      gpu.write(buffer, 0, data as Float32Array<ArrayBuffer>);
      return buffer;
    };
    const buffers = {
      size: upload(
        'size',
        Float32Array.of(width, height, 0, 0),
        GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
      ),
      draw: upload('draw', scene.draw, storage | GPUBufferUsage.INDIRECT),
      cache: upload('cache', scene.cache, storage),
      order: upload('order', scene.order, storage),
    };
    const format = 'rgba16float';
    const quads = await prepareSplatQuads(gpu, format, buffers);
    const texture = gpu.device.createTexture({
      size: [width, height],
      format,
      usage: GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC,
    });
    const rowBytes = Math.ceil((width * 8) / 256) * 256;
    const staging = gpu.createBuffer(
      'staging',
      rowBytes * height,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
    gpu.submitRecorded((encoder) => {
      const pass = encoder.beginRenderPass({
        colorAttachments: [{ view: texture.createView(), loadOp: 'clear', storeOp: 'store' }],
      });
      quads.draw(pass);
      pass.end();
      encoder.copyTextureToBuffer({ texture }, { buffer: staging, bytesPerRow: rowBytes }, [
        width,
        height,
      ]);
      return { dispatches: 0, passes: 1 };
    });
    const halves = new Uint16Array(await gpu.readStaging(staging, rowBytes * height));
    const expected = splatQuadsReference(scene);
    let squares = 0;
    expected.forEach((value, i) => {
      const pixel = Math.floor(i / 4);
      const row = Math.floor(pixel / width);
      const at = (row * rowBytes) / 2 + (pixel % width) * 4 + (i % 4);
      squares += (halfToNumber(halves[at] as number) - value) ** 2;
    });
    const decibels = -10 * Math.log10(squares / expected.length);
    expect(decibels).toBeGreaterThan(50);
    texture.destroy();
    for (const buffer of [...Object.values(buffers), staging]) gpu.destroyBuffer(buffer);
  });
});
