import type { AvatarBody } from '../formats/avatar-body.ts';
import { corruptSplats } from '../formats/splat-cloud.ts';
import type { Gpu } from '../gpu/gpu.ts';

/** The body of an avatar on the GPU: its baked texture, and what places it. */
export class BodyTexture {
  readonly body: AvatarBody;
  readonly texture: GPUTexture;

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
    return new BodyTexture(body, texture);
  }

  private constructor(body: AvatarBody, texture: GPUTexture) {
    this.body = body;
    this.texture = texture;
  }

  dispose(): void {
    this.texture.destroy();
  }
}
