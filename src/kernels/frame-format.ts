import type { ShaderOptions } from '../gpu/wgsl-linker.ts';
import { type FrameColours, noColours } from './frame-settings.ts';

/** How the bytes of a frame lie, by the names of `VideoFrame.format`: those that kernels read. */
export type FrameFormat = 'RGBX' | 'RGBA' | 'BGRX' | 'BGRA' | 'I420' | 'NV12';

/** `words`: four bytes a pixel. */
interface Reading {
  pixels: 'words' | 'planes';
  flags: string[];
}

const formats: Readonly<Record<FrameFormat, Reading>> = {
  RGBX: { pixels: 'words', flags: [] },
  RGBA: { pixels: 'words', flags: ['alpha'] },
  BGRX: { pixels: 'words', flags: ['blue_first'] },
  BGRA: { pixels: 'words', flags: ['alpha', 'blue_first'] },
  I420: { pixels: 'planes', flags: [] },
  NV12: { pixels: 'planes', flags: ['interleaved'] },
};

export function isFrameFormat(format: string | null): format is FrameFormat {
  return format !== null && Object.hasOwn(formats, format);
}

export function hasPlanes(format: FrameFormat): boolean {
  return formats[format].pixels === 'planes';
}

/** The linker's options for shaders that import `lib/frame-{pixels}`. */
export function frameOptions(
  format: FrameFormat,
): Required<Pick<ShaderOptions, 'choices' | 'flags'>> {
  const { pixels, flags } = formats[format];
  return { choices: { pixels }, flags };
}

/** Where the shaders look for a frame's bytes. */
export interface FrameLayout {
  /** As `VideoFrame.copyTo` takes it. */
  planes: PlaneLayout[];
  rowPixels: number;
  bytes: number;
}

export function frameLayout(
  format: FrameFormat,
  { width, height }: { width: number; height: number },
): FrameLayout {
  if (!hasPlanes(format)) {
    const stride = width * 4;
    return { planes: [{ offset: 0, stride }], rowPixels: width, bytes: stride * height };
  }
  const [halfWidth, halfHeight] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const stride = halfWidth * 2;
  const luma = { offset: 0, stride };
  const behind = stride * height;
  const bytes = behind + stride * halfHeight;
  const differences =
    format === 'NV12'
      ? [{ offset: behind, stride }]
      : [0, 1].map((plane) => ({
          offset: behind + plane * halfWidth * halfHeight,
          stride: halfWidth,
        }));
  return { planes: [luma, ...differences], rowPixels: stride, bytes };
}

/** Shares of red and blue in grey. */
const shares: Readonly<Record<string, readonly [red: number, blue: number]>> = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  bt470bg: [0.299, 0.114],
};
/** Curves that browsers show as they are. */
const plainTransfers = ['bt709', 'smpte170m', 'iec61966-2-1'];

/** What the shaders need to know of the colours of a frame, or null where they are not theirs to convert: other primaries, other curves. */
export function frameColours(
  format: FrameFormat,
  { primaries, transfer, matrix, fullRange }: VideoColorSpaceInit,
): FrameColours | null {
  if (primaries !== 'bt709' || !plainTransfers.includes(transfer ?? '')) return null;
  if (!hasPlanes(format)) return matrix === 'rgb' ? noColours : null;
  const [red, blue] = shares[matrix ?? ''] ?? [];
  if (red === undefined || blue === undefined || typeof fullRange !== 'boolean') return null;
  const green = 1 - red - blue;
  const scale = 1 / (fullRange ? 255 : 224);
  return {
    lumaZero: fullRange ? 0 : 16,
    lumaScale: 1 / (fullRange ? 255 : 219),
    redV: 2 * (1 - red) * scale,
    greenU: ((-2 * blue * (1 - blue)) / green) * scale,
    greenV: ((-2 * red * (1 - red)) / green) * scale,
    blueU: 2 * (1 - blue) * scale,
  };
}
