import { VitrailError } from '../errors.ts';
import { type AYolomConfig, aYolom } from './a-yolom.ts';
import type { Graph } from './graph.ts';
import type { WeightFile } from './weight-file.ts';
import type { StageWidths } from './yolo-blocks.ts';

const architecture = 'a-yolom';
const maxSide = 4096;

/** What a detector's file says about itself. */
export interface DetectorConfig extends AYolomConfig {
  /** The size of image that it was trained for. */
  height: number;
  width: number;
  labels: readonly string[];
}

/** Reads the metadata that `train/a_yolom/export.py` writes. Throws `model-unsupported` and `model-corrupt`. */
export function detectorConfig({ metadata }: WeightFile): DetectorConfig {
  if (metadata.get('architecture') !== architecture) {
    throw new VitrailError('model-unsupported', 'The file is no detector that Vitrail knows.', {
      where: 'vision/config',
      fix: 'Give a file that train/a_yolom/export.py or train/import_a_yolom.py wrote, or leave the source out.',
      detail: { architecture: metadata.get('architecture') },
    });
  }
  const numbers = (name: string): number[] => {
    const values = String(metadata.get(name)).split(',').map(Number);
    if (!values.every((value) => Number.isInteger(value) && value > 0 && value <= maxSide)) {
      throw new VitrailError('model-corrupt', `The detector's file gives no usable '${name}'.`, {
        where: 'vision/config',
        fix: 'Download the file again, or export it anew.',
        detail: { name, value: metadata.get(name) },
      });
    }
    return values;
  };
  const stages = numbers('stages');
  const [height = 0, width = 0] = [...numbers('height'), ...numbers('width')];
  if (
    stages.length !== 5 ||
    stages.some((channels) => channels % 8 !== 0) ||
    height % 32 ||
    width % 32
  ) {
    throw new VitrailError(
      'model-corrupt',
      "The detector's file describes no network that fits together.",
      {
        where: 'vision/config',
        fix: 'Stages are five multiples of 8; height and width are multiples of 32. Export the file anew.',
        detail: { stages, height, width },
      },
    );
  }
  const [boxWidth = 0, maskWidth = 0] = [...numbers('box_width'), ...numbers('mask_width')];
  const labels = String(metadata.get('labels') ?? 'vehicle').split(',');
  return { stages: stages as unknown as StageWidths, boxWidth, maskWidth, height, width, labels };
}

/** The graph of a detector's file for images of height × width. */
export function detectorGraph(config: DetectorConfig, height: number, width: number): Graph {
  return aYolom(config, height, width);
}
