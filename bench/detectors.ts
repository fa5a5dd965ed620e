import type { AYolomConfig } from '../src/vision/a-yolom.ts';
import type { StageWidths } from '../src/vision/yolo-blocks.ts';

/** What the detectors of the bench see: height and width in pixels. */
export const detectorInput = { height: 384, width: 672 } as const;

const stages: Readonly<Record<string, StageWidths>> = {
  n: [16, 32, 64, 128, 256],
  s: [32, 64, 128, 256, 512],
};

/** A-YOLOM of a size (arXiv 2310.01641). Throws where there is no such size. */
export function detectorOf(size: string): AYolomConfig {
  const widths = stages[size];
  if (!widths) throw new Error(`no detector '${size}': ${Object.keys(stages).join(', ')}`);
  return { stages: widths, boxWidth: 64, maskWidth: 32 };
}
