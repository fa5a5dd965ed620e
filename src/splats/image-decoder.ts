import type { RgbaImage } from '../formats/sog.ts';
import type { Gpu } from '../gpu/gpu.ts';

/**
 * Decodes an image with the browser's decoder, without multiplying colours by alpha: a 2D canvas would, and lose the bits that SOG
 * keeps in transparent pixels. The way through a texture does not.
 */
export async function decodeImage(gpu: Gpu, file: Uint8Array): Promise<RgbaImage> {
  const bitmap = await createImageBitmap(new Blob([file as Uint8Array<ArrayBuffer>]), {
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  const { width, height } = bitmap;
  const rowBytes = Math.ceil(width / 64) * 256;
  const texture = gpu.device.createTexture({
    label: 'decoded image',
    size: [width, height],
    format: 'rgba8unorm',
    usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC | GPUTextureUsage.RENDER_ATTACHMENT,
  });
  const staging = gpu.createBuffer(
    'decoded image',
    rowBytes * height,
    GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  );
  try {
    gpu.device.queue.copyExternalImageToTexture(
      { source: bitmap },
      { texture, premultipliedAlpha: false },
      [width, height],
    );
    gpu.submitRecorded((encoder) => {
      encoder.copyTextureToBuffer({ texture }, { buffer: staging, bytesPerRow: rowBytes }, [
        width,
        height,
      ]);
      return { dispatches: 0, passes: 0 };
    });
    const rows = new Uint8Array(await gpu.readStaging(staging, rowBytes * height));
    const data = new Uint8Array(width * height * 4);
    for (let y = 0; y < height; y += 1) {
      data.set(rows.subarray(y * rowBytes, y * rowBytes + width * 4), y * width * 4);
    }
    return { width, height, data };
  } finally {
    bitmap.close();
    texture.destroy();
    gpu.destroyBuffer(staging);
  }
}
