import { type Dispatch, deviceLostError, type Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import type { MapPlace, MapStorage } from '../kernels/feature-map.ts';
import {
  type FrameFormat,
  type FrameLayout,
  frameColours,
  frameLayout,
  isFrameFormat,
} from '../kernels/frame-format.ts';
import type { FrameColours, FrameSettings } from '../kernels/frame-settings.ts';
import { letterbox } from '../kernels/letterbox.ts';
import type { Frame, FrameSize } from './frame-buffer.ts';
import { framesUnderWay } from './vision-call.ts';

/** Where the network's input is, and what says how a frame lies in it. */
export interface PlanesTarget {
  input: MapPlace;
  storage: MapStorage;
  arena: GPUBuffer;
  settings: GPUBuffer;
}

/** How a frame lies in memory. */
export interface FrameForm {
  format: FrameFormat;
  colours: FrameColours;
}

/** A frame whose bytes are on their way to the GPU. */
export interface CopiedFrame {
  input: Dispatch;
  settings: Pick<FrameSettings, 'rowPixels' | 'colours'>;
  /** Belongs before `input`. */
  copy(encoder: GPUCommandEncoder): void;
  /** To be called once `copy` is submitted. */
  submitted(): void;
}

/** Memory that the CPU writes and the GPU copies from; it is the CPU's again once the frame is done. */
interface Upload {
  buffer: GPUBuffer;
  mapped: Promise<undefined>;
}

interface Room {
  format: FrameFormat;
  width: number;
  height: number;
  layout: FrameLayout;
  buffer: GPUBuffer;
  uploads: readonly Upload[];
  input: Dispatch;
}

/** Frames in memory, copied to the GPU as they are, whose colours a shader makes: nothing is made for a frame but its commands. */
export class FramePlanes {
  readonly #gpu: Gpu;
  readonly #target: PlanesTarget;
  #room: Room | null = null;

  constructor(gpu: Gpu, target: PlanesTarget) {
    this.#gpu = gpu;
    this.#target = target;
  }

  /** The form of a frame that can be copied, else null: its bytes are not given, or not for our shaders to convert. */
  formOf(frame: Frame): FrameForm | null {
    if (!('visibleRect' in frame) || !isFrameFormat(frame.format)) return null;
    const { format, displayWidth, displayHeight, visibleRect, colorSpace } = frame;
    const { width, height } = visibleRect ?? {};
    // Pixels that are not square, and frames that are shown turned, are the browser's to scale and to turn.
    const isPlain = width === displayWidth && height === displayHeight && !isTurned(frame);
    const colours = isPlain && frameColours(format, colorSpace);
    if (!colours) return null;
    const { bytes } = frameLayout(format, { width: displayWidth, height: displayHeight });
    return bytes <= this.#gpu.maxStorageBytes ? { format, colours } : null;
  }

  /** Room for frames of this kind: the buffer that they are copied to. Throws `shader-invalid` and `gpu-…` errors. */
  async open(format: FrameFormat, { width, height }: FrameSize): Promise<GPUBuffer> {
    const room = this.#room;
    if (room?.format === format && room.width === width && room.height === height)
      return room.buffer;
    this.dispose();
    const layout = frameLayout(format, { width, height });
    const { COPY_SRC, COPY_DST, MAP_WRITE, STORAGE } = GPUBufferUsage;
    const create = (label: string, usage: number): GPUBuffer =>
      this.#gpu.createBuffer(label, layout.bytes, usage);
    const buffer = create('frame planes', STORAGE | COPY_DST);
    const uploads = Array.from({ length: framesUnderWay }, (_, i) =>
      mapped(create(`frame upload ${i}`, MAP_WRITE | COPY_SRC)),
    );
    const { storage, input: output, ...others } = this.#target;
    const use = { storage, format, output };
    const buffers = { ...others, frame: buffer };
    try {
      const input = await prepareDispatch(this.#gpu, letterbox, use, buffers);
      this.#room = { format, width, height, layout, buffer, uploads, input };
      return buffer;
    } catch (thrown) {
      this.#free(buffer, uploads);
      throw thrown;
    }
  }

  /** Copies a frame for which there is room. Null where the browser does not give its bytes. Throws `gpu-device-lost`. */
  async take(frame: VideoFrame, colours: FrameColours, slot: number): Promise<CopiedFrame | null> {
    const room = this.#room as Room;
    const { layout, buffer, input } = room;
    const upload = room.uploads[slot] as Upload;
    try {
      await upload.mapped;
    } catch (cause) {
      throw deviceLostError(cause);
    }
    try {
      await frame.copyTo(upload.buffer.getMappedRange(), { layout: layout.planes });
    } catch {
      return null;
    } finally {
      upload.buffer.unmap();
    }
    return {
      input,
      settings: { rowPixels: layout.rowPixels, colours },
      copy: (encoder) =>
        encoder.copyBufferToBuffer(upload.buffer, 0, buffer, 0, upload.buffer.size),
      submitted: () => {
        if (room === this.#room) Object.assign(upload, mapped(upload.buffer));
      },
    };
  }

  #free(buffer: GPUBuffer, uploads: readonly Upload[]): void {
    this.#gpu.destroyBuffer(buffer);
    for (const upload of uploads) this.#gpu.destroyBuffer(upload.buffer);
  }

  dispose(): void {
    if (this.#room) this.#free(this.#room.buffer, this.#room.uploads);
    this.#room = null;
  }
}

/** Asks for the memory of an upload now, so that it is there when the next frame comes. */
function mapped(buffer: GPUBuffer): Upload {
  const mapped = buffer.mapAsync(GPUMapMode.WRITE);
  mapped.catch(() => undefined);
  return { buffer, mapped };
}

/** Older browsers turn nothing. */
function isTurned(frame: VideoFrame & { rotation?: number; flip?: boolean }): boolean {
  return (frame.rotation ?? 0) !== 0 || (frame.flip ?? false);
}
