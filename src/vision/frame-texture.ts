import { VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Frame, FrameSize } from './frame-buffer.ts';

/** A frame that shaders sample. */
export interface SampledFrame {
  resource: GPUExternalTexture | GPUTextureView;
  external: boolean;
}

/** Frames as textures: a video's frames as they are, others by a copy on the GPU into one texture that stays. */
export class FrameTexture {
  readonly #gpu: Gpu;
  #texture: GPUTexture | null = null;
  #hasExternal = true;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Throws `invalid-argument` for a frame that the browser cannot read, `gpu-limit-exceeded` for one that is too large. */
  take(frame: Frame, size: FrameSize): SampledFrame {
    if (this.#hasExternal && 'displayWidth' in frame) {
      try {
        const resource = this.#gpu.device.importExternalTexture({ source: frame });
        return { resource, external: true };
      } catch {
        // Some browsers and drivers have no external textures: copy this frame and all after it.
        this.#hasExternal = false;
      }
    }
    return { resource: this.#copy(frame, size).createView(), external: false };
  }

  #copy(frame: Frame, { width, height }: FrameSize): GPUTexture {
    const limit = this.#gpu.device.limits.maxTextureDimension2D;
    if (width > limit || height > limit) {
      throw new VitrailError(
        'gpu-limit-exceeded',
        `The frame is ${width}×${height} pixels; this GPU allows ${limit}.`,
        {
          where: 'vision/frame',
          fix: 'Ask the camera for smaller frames, or use a smaller video.',
        },
      );
    }
    if (this.#texture?.width !== width || this.#texture.height !== height)
      this.#create(width, height);
    const texture = this.#texture as GPUTexture;
    try {
      this.#gpu.device.queue.copyExternalImageToTexture({ source: frame }, { texture }, [
        width,
        height,
      ]);
    } catch (cause) {
      throw new VitrailError('invalid-argument', 'The browser cannot read this frame.', {
        where: 'vision/frame',
        fix: 'Pass a frame that is not closed, from a source of this origin or one that allows it (CORS).',
        cause,
      });
    }
    return texture;
  }

  #create(width: number, height: number): void {
    this.dispose();
    this.#texture = this.#gpu.device.createTexture({
      label: 'live frame',
      size: { width, height },
      format: 'rgba8unorm',
      usage:
        GPUTextureUsage.COPY_DST |
        GPUTextureUsage.TEXTURE_BINDING |
        GPUTextureUsage.RENDER_ATTACHMENT,
    });
  }

  dispose(): void {
    this.#texture?.destroy();
    this.#texture = null;
  }
}
