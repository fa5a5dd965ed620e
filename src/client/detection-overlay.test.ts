import { describe, expect, it } from 'vitest';
import type { Detection } from '../types.ts';
import { describeDetection } from './detection-overlay.ts';

function detection(boxes: number, drivable: number[], lanes: number[]): Detection {
  const mask = (data: number[]) => ({ width: data.length, height: 1, data: Uint8Array.from(data) });
  const box = { x: 0, y: 0, width: 1, height: 1, score: 0.9, label: 'vehicle' };
  return {
    boxes: Array.from({ length: boxes }, () => box),
    drivable: mask(drivable),
    lanes: mask(lanes),
    timing: { preprocessMs: 0, inferMs: 0, postMs: 0 },
  };
}

describe('describeDetection', () => {
  it('says what is in the picture', () => {
    expect(describeDetection(detection(0, [0, 0], [0, 0]))).toBe(
      'no vehicles, 0 % of the picture drivable, no lane lines',
    );
    expect(describeDetection(detection(1, [1, 0, 0, 0], [0, 1, 0, 0]))).toBe(
      '1 vehicle, 25 % of the picture drivable, lane lines',
    );
    expect(describeDetection(detection(3, [1, 1], [0, 0]))).toContain('3 vehicles, 100 %');
  });
});
