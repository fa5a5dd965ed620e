import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FeatureMap } from '../formats/avatar-body.ts';
import { Gpu } from '../gpu/gpu.ts';
import { packFields } from '../splats/body-pack.ts';
import { Random } from '../testing/random.ts';
import { addBodyReference, bakedAt, type ReferenceBody } from './body-under.ref.ts';
import { bodyFrameFloats, prepareBodyUnder } from './body-under.ts';

const straight = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const aslant = [1.3, 0.1, -0.2, -0.1, 1.4, -0.1, 0.2, -0.1, 1];
/** Pad 0 and a pad; a plane seen aslant, and one whose horizon the picture shows; displacement fields. */
const cases = [
  { name: 'without a pad', pad: 0, h: straight, channels: 0 },
  { name: 'aslant, with a pad', pad: 5, h: aslant, channels: 0 },
  { name: 'behind the horizon', pad: 3, h: [1, 0, 0, 0, 1, 0, 0, -2, 1], channels: 0 },
  { name: 'displaced by one field', pad: 2, h: straight, channels: 2 },
  { name: 'displaced by four fields, aslant', pad: 5, h: aslant, channels: 8 },
];
const shares = [1.2, -0.7, 0.4, -0.9];
const [width, height] = [64, 40];

function gradientBody(pad: number): ReferenceBody {
  const image = 16;
  const size = image + 2 * pad;
  const values = Float32Array.from({ length: 4 * size * size }, (_, i) => {
    const [x, y] = [(i % size) / (size - 1), Math.floor((i % (size * size)) / size) / (size - 1)];
    return [x, y, 0.5 * (x + y), 1 - 0.5 * x][Math.floor(i / (size * size))] as number;
  });
  return { image, pad, coarse: { size, values } };
}

/** Ways of some texels, no two fields alike. */
function randomFields(channels: number, size: number): FeatureMap | null {
  const random = new Random(7);
  const length = channels * size * size;
  const values = Float32Array.from({ length }, () => random.normal(0.05));
  return channels > 0 ? { channels, size, values } : null;
}

describe('body-under', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  it.each(cases)('$name', async ({ pad, h, channels }) => {
    const body = { ...gradientBody(pad), fields: randomFields(channels, 5) };
    const { image, coarse } = body;
    const { size } = coarse;
    const { TEXTURE_BINDING, RENDER_ATTACHMENT, COPY_SRC, COPY_DST } = GPUTextureUsage;
    const make = (side: [number, number], usage: number): GPUTexture =>
      gpu.device.createTexture({ size: side, format: 'rgba8unorm', usage });
    const texture = make([size, size], TEXTURE_BINDING | COPY_DST);
    const texels = Uint8Array.from({ length: size * size * 4 }, (_, i) =>
      Math.round((coarse.values[(i % 4) * size * size + (i >> 2)] as number) * 255),
    );
    gpu.device.queue.writeTexture({ texture }, texels, { bytesPerRow: size * 4 }, [size, size]);
    const fieldSide = body.fields?.size ?? 1;
    const fields = gpu.device.createTexture({
      size: [fieldSide, fieldSide, 2],
      format: 'rgba16float',
      usage: TEXTURE_BINDING | COPY_DST,
    });
    gpu.device.queue.writeTexture(
      { texture: fields },
      packFields(body.fields, fieldSide),
      { bytesPerRow: fieldSide * 8, rowsPerImage: fieldSide },
      [fieldSide, fieldSide, 2],
    );
    const target = make([width, height], RENDER_ATTACHMENT | COPY_SRC);
    const frame = gpu.createBuffer(
      'frame',
      bodyFrameFloats * 4,
      GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    );
    const rows = [0, 3, 6].flatMap((row) => [...h.slice(row, row + 3), 0]);
    const side = image + 2 * pad;
    gpu.write(
      frame,
      0,
      Float32Array.of(...rows, 0, 0, 0, 0, width, height, image / side, pad / side, ...shares),
    );
    const under = await prepareBodyUnder(gpu, 'rgba8unorm', { buffer: frame }, { texture, fields });
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = gpu.createBuffer('staging', width * height * 4, usage);
    gpu.submitRecorded((encoder) => {
      // What is there already leaves half of each pixel open.
      const clearValue = [0.25, 0, 0.5, 0.5];
      const view = target.createView();
      const pass = encoder.beginRenderPass({
        colorAttachments: [{ view, clearValue, loadOp: 'clear', storeOp: 'store' }],
      });
      under.draw(pass);
      pass.end();
      const to = { buffer: staging, bytesPerRow: width * 4 };
      encoder.copyTextureToBuffer({ texture: target }, to, [width, height]);
      return { dispatches: 0, passes: 1 };
    });
    const seen = new Uint8Array(await gpu.readStaging(staging, width * height * 4));
    const expected = Float64Array.from(
      { length: seen.length },
      (_, i) => [0.25, 0, 0.5, 0.5][i % 4] as number,
    );
    addBodyReference(expected, (x, y) => bakedAt(body, h, shares, x, y), { width, height });
    const squares = expected.reduce(
      (sum, value, i) => sum + (value - (seen[i] ?? 0) / 255) ** 2,
      0,
    );
    expect(-10 * Math.log10(squares / expected.length)).toBeGreaterThan(45);
    expect(Math.max(...expected)).toBeGreaterThan(0.8);
    texture.destroy();
    fields.destroy();
    target.destroy();
    for (const buffer of [frame, staging]) gpu.destroyBuffer(buffer);
  });
});
