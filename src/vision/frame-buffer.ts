import { VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';

/** What the queue copies to a texture without the CPU touching a pixel. */
export type Frame =
  | ImageBitmap
  | VideoFrame
  | OffscreenCanvas
  | HTMLCanvasElement
  | HTMLVideoElement;

/** Rows of a copy from a texture begin at multiples of 256 bytes: 64 pixels. */
const rowAlignment = 64;

export interface FrameSize {
  width: number;
  height: number;
}

/** The size of a frame as it is shown. Throws `invalid-argument` for a closed or an empty one. */
export function frameSize(frame: Frame): FrameSize {
  const size =
    'displayWidth' in frame
      ? { width: frame.displayWidth, height: frame.displayHeight }
      : 'videoWidth' in frame
        ? { width: frame.videoWidth, height: frame.videoHeight }
        : { width: frame.width, height: frame.height };
  if (size.width > 0 && size.height > 0) return size;
  throw new VitrailError('invalid-argument', 'The frame has no pixels.', {
    where: 'vision/frame',
    fix: 'Pass a frame that is not closed yet, and wait for loadeddata before you pass a video.',
    detail: { ...size },
  });
}

/** The pixels of the last frame on the GPU, as RGBA bytes in rows. Made anew only where the size changes. */
export class FrameBuffer {
  readonly #gpu: Gpu;
  #texture: GPUTexture | null = null;
  #buffer: GPUBuffer | null = null;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** The buffer and the pixels from a row to the next; `changed` where it is another buffer than last time. */
  write(frame: Frame, size: FrameSize): { buffer: GPUBuffer; rowPixels: number; changed: boolean } {
    const changed = this.#texture?.width !== size.width || this.#texture.height !== size.height;
    const rowPixels = Math.ceil(size.width / rowAlignment) * rowAlignment;
    if (changed) this.#create(size, rowPixels);
    const { device } = this.#gpu;
    const [texture, buffer] = [this.#texture, this.#buffer];
    if (!texture || !buffer) throw new Error('the frame buffer was not made');
    try {
      device.queue.copyExternalImageToTexture({ source: frame }, { texture }, size);
    } catch (cause) {
      throw new VitrailError('invalid-argument', 'The browser cannot read this frame.', {
        where: 'vision/frame',
        fix: 'Pass a frame that is not closed, from a source of this origin or one that allows it (CORS).',
        cause,
      });
    }
    this.#gpu.submit([], 1, (encoder) => {
      encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: rowPixels * 4 }, size);
    });
    return { buffer, rowPixels, changed };
  }

  #create({ width, height }: FrameSize, rowPixels: number): void {
    const limit = this.#gpu.device.limits.maxTextureDimension2D;
    if (width > limit || height > limit) {
      throw new VitrailError(
        'gpu-limit-exceeded',
        `The frame is ${width}×${height} pixels; this GPU allows ${limit}.`,
        {
          where: 'vision/frame',
          fix: 'Make the frame smaller before you pass it: createImageBitmap has resizeWidth.',
          detail: { width, height, limit },
        },
      );
    }
    this.dispose();
    this.#texture = this.#gpu.device.createTexture({
      label: 'frame',
      size: { width, height },
      format: 'rgba8unorm',
      usage:
        GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC | GPUTextureUsage.RENDER_ATTACHMENT,
    });
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    this.#buffer = this.#gpu.createBuffer('frame', rowPixels * height * 4, usage);
  }

  dispose(): void {
    this.#texture?.destroy();
    this.#texture = null;
    if (this.#buffer) this.#gpu.destroyBuffer(this.#buffer);
    this.#buffer = null;
  }
}
