import type { FrameSettings } from '../kernels/frame-settings.ts';
import type { DetectedBox, DetectorInfo, Mask } from '../types.ts';
import { boxResultBytes } from './box-pipeline.ts';
import type { DetectorConfig } from './detector-config.ts';
import type { FrameSize } from './frame-buffer.ts';

/** In the order in which their bits stand. */
export const maskNames = ['drivable', 'lanes'] as const;

/** A bit a pixel for each mask there can be: the screen draws those that the network has not as empty. */
export function maskBytes({ height, width }: DetectorConfig): number {
  return (maskNames.length * height * width) / 8;
}

/** The boxes of a readback: their number, then corners, score and label of each. */
export function boxesOf(bytes: ArrayBuffer, labels: readonly string[]): DetectedBox[] {
  const [kept = 0] = new Float32Array(bytes, 0, 1);
  return Array.from({ length: kept }, (_, i) => {
    const values = new Float32Array(bytes, 16 + i * 32, 8);
    const [x = 0, y = 0, right = 0, bottom = 0, score = 0, , label = 0] = values;
    return {
      x,
      y,
      width: right - x,
      height: bottom - y,
      score,
      label: labels[label] ?? `${label}`,
    };
  });
}

/** The masks at the size of the frame, each of whose pixels takes the bit below its centre; those that the network has not are empty. */
export function masksOf(
  bytes: ArrayBuffer,
  { height, width, masks }: DetectorInfo,
  { scaleX, scaleY, left, top }: FrameSettings,
  frame: FrameSize,
): { drivable: Mask; lanes: Mask } {
  const bits = new Uint8Array(bytes, boxResultBytes);
  const columns = Int32Array.from({ length: frame.width }, (_, x) =>
    Math.min(width - 1, Math.floor(left + (x + 0.5) * scaleX)),
  );
  const mask = (name: (typeof maskNames)[number]): Mask => {
    if (!masks.includes(name)) return { width: 0, height: 0, data: new Uint8Array(0) };
    const firstBit = maskNames.indexOf(name) * height * width;
    const data = new Uint8Array(frame.width * frame.height);
    for (let y = 0; y < frame.height; y += 1) {
      const row = firstBit + Math.min(height - 1, Math.floor(top + (y + 0.5) * scaleY)) * width;
      for (let x = 0; x < frame.width; x += 1) {
        const bit = row + (columns[x] ?? 0);
        data[y * frame.width + x] = ((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1;
      }
    }
    return { width: frame.width, height: frame.height, data };
  };
  return { drivable: mask('drivable'), lanes: mask('lanes') };
}
