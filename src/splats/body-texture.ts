import type { AvatarBody } from '../formats/avatar-body.ts';
import { corruptSplats } from '../formats/splat-cloud.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { packFields } from './body-pack.ts';

/** The body of an avatar on the GPU: its baked texture, and what places it. */
export class BodyTexture {
  readonly body: AvatarBody;
  readonly networkFloats = 0;
  readonly texture: GPUTexture;
  /** Its displacement fields, two in a layer. */
  readonly fields: GPUTexture;

  /** Decodes the texture and uploads it, colours not multiplied by alpha. Throws `model-corrupt`. */
  static async upload(gpu: Gpu, body: AvatarBody): Promise<BodyTexture> {
    const bitmap = await createImageBitmap(new Blob([body.texture]), {
      premultiplyAlpha: 'none',
      colorSpaceConversion: 'none',
    }).catch(() => {
      throw corruptSplats('avatar-body', 'its texture is no image');
    });
    const size = [bitmap.width, bitmap.height];
    const texture = gpu.device.createTexture({
      label: 'body of an avatar',
      size,
      format: 'rgba8unorm',
      usage:
        GPUTextureUsage.TEXTURE_BINDING |
        GPUTextureUsage.COPY_DST |
        GPUTextureUsage.RENDER_ATTACHMENT,
    });
    const target = { texture, premultipliedAlpha: false };
    gpu.device.queue.copyExternalImageToTexture({ source: bitmap }, target, size);
    bitmap.close();
    return new BodyTexture(body, texture, uploadFields(gpu, body));
  }

  private constructor(body: AvatarBody, texture: GPUTexture, fields: GPUTexture) {
    this.body = body;
    this.texture = texture;
    this.fields = fields;
  }

  dispose(): void {
    this.texture.destroy();
    this.fields.destroy();
  }
}

function uploadFields(gpu: Gpu, { fields }: AvatarBody): GPUTexture {
  const side = fields?.size ?? 1;
  const size = [side, side, 2];
  const texture = gpu.device.createTexture({
    label: 'displacement of a body',
    size,
    format: 'rgba16float',
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  const layout = { bytesPerRow: side * 8, rowsPerImage: side };
  gpu.device.queue.writeTexture({ texture }, packFields(fields, side), layout, size);
  return texture;
}
