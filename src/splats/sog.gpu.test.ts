import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { fetchData, hasData } from '../testing/data.ts';
import { zipOf } from '../testing/splats.ts';
import { framingCamera, viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { decodeImage } from './image-decoder.ts';
import { renderPicture } from './picture.ts';

describe('SOG images', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  it('are decoded exactly, transparent pixels too', async () => {
    const canvas = new OffscreenCanvas(70, 3);
    const context = canvas.getContext('2d');
    const pixels = new ImageData(70, 3);
    pixels.data.forEach((_, i) => {
      pixels.data[i] = i % 4 === 3 ? 255 : (i * 7) % 256;
    });
    context?.putImageData(pixels, 0, 0);
    const png = await canvas.convertToBlob({ type: 'image/png' });
    const image = await decodeImage(gpu, new Uint8Array(await png.arrayBuffer()));
    expect([image.width, image.height]).toEqual([70, 3]);
    expect([...image.data]).toEqual([...pixels.data]);
  });

  it.skipIf(!hasData())('the robot has its splats, rotations and harmonics', async () => {
    const planes = ['means_l', 'means_u', 'quats', 'scales', 'sh0', 'shN_centroids', 'shN_labels'];
    const names = ['meta.json', ...planes.map((name) => `${name}.webp`)];
    const files: Record<string, Uint8Array> = {};
    for (const name of names) files[name] = await fetchData(`splats/playbot/${name}`);
    const { cloud } = await readSplatFile(zipOf(files), (file) => decodeImage(gpu, file));
    expect([cloud.count, cloud.shDegree]).toEqual([31_000, 2]);
    // Alpha names the largest component, and opacities are in the alpha of the colours: multiplied colours would show here.
    for (let i = 0; i < cloud.count; i += 97) {
      expect(Math.hypot(...cloud.rotations.subarray(i * 4, i * 4 + 4))).toBeCloseTo(1, 5);
    }
    const geometry = await SplatGeometry.upload(gpu, cloud, null);
    const view = viewTransform(framingCamera(geometry.framed, true, 1), 160, 160);
    const { data } = await renderPicture(gpu, [{ geometry, pose: null }], view, null, 'tiles');
    geometry.dispose();
    const covered = data.filter((value, i) => i % 4 === 3 && value > 128).length;
    expect(covered / (160 * 160)).toBeGreaterThan(0.05);
  });
});
