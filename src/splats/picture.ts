import type { Gpu } from '../gpu/gpu.ts';
import { halfToNumber } from '../quant/half.ts';
import type { RasterMethod } from '../types.ts';
import type { ViewTransform } from './camera.ts';
import {
  type Background,
  type Remedy,
  type RendererOptions,
  type SceneObject,
  SplatRenderer,
} from './renderer.ts';

export interface Picture {
  width: number;
  height: number;
  /** R, G, B, A, colours not multiplied by alpha. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** A still of a scene. `background` null leaves what no splat covers transparent. Where tiles lack room they get it, or quads draw. */
export async function renderPicture(
  gpu: Gpu,
  objects: readonly SceneObject[],
  view: ViewTransform,
  background: Background | null,
  method: RasterMethod,
  pairs?: number,
): Promise<Picture> {
  const { width, height } = view;
  // Halves keep what many layers of blending would lose in bytes.
  const format = method === 'tiles' ? 'rgba8unorm' : 'rgba16float';
  const options: RendererOptions = { width, height, method, format, pairs };
  const renderer = await SplatRenderer.create(gpu, objects, options);
  const texture = gpu.device.createTexture({
    label: 'splats picture',
    size: [width, height],
    format,
    usage: GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT,
  });
  const pixelBytes = method === 'tiles' ? 4 : 8;
  const rowBytes = Math.ceil((width * pixelBytes) / 256) * 256;
  const staging = gpu.createBuffer(
    'splats picture',
    rowBytes * height,
    GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  );
  let remedy: Remedy | null;
  try {
    renderer.drawTo(texture, view, background ?? [0, 0, 0, 0], (encoder) => {
      encoder.copyTextureToBuffer({ texture }, { buffer: staging, bytesPerRow: rowBytes }, [
        width,
        height,
      ]);
    });
    const contents = await gpu.readStaging(staging, rowBytes * height);
    await renderer.counted();
    remedy = renderer.remedy;
    if (!remedy) {
      const channels = channelsOf(contents, method);
      return { width, height, data: straight(channels, width, height, rowBytes / pixelBytes) };
    }
  } finally {
    gpu.destroyBuffer(staging);
    texture.destroy();
    renderer.dispose();
  }
  return renderPicture(gpu, objects, view, background, remedy.method ?? method, remedy.pairs);
}

/** A channel of the image as a number 0..1. */
function channelsOf(contents: ArrayBuffer, method: RasterMethod): (at: number) => number {
  if (method === 'tiles') {
    const bytes = new Uint8Array(contents);
    return (at) => (bytes[at] as number) / 255;
  }
  const halves = new Uint16Array(contents);
  return (at) => halfToNumber(halves[at] as number);
}

/** Colours multiplied by alpha → straight bytes, rows packed. */
function straight(
  channel: (at: number) => number,
  width: number,
  height: number,
  stride: number,
): Uint8ClampedArray<ArrayBuffer> {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * stride + x) * 4;
      const to = (y * width + x) * 4;
      const alpha = channel(from + 3);
      for (let c = 0; c < 3; c += 1)
        data[to + c] = alpha > 0 ? (channel(from + c) / alpha) * 255 : 0;
      data[to + 3] = alpha * 255;
    }
  }
  return data;
}
