import { VitrailError } from '../errors.ts';
import type { FrameFit } from '../kernels/frame-settings.ts';
import { aYolomDetector } from './a-yolom.ts';
import type { DetectorArchitecture, DetectorNetwork } from './detector-architecture.ts';
import { twinLiteNetDetector } from './twin-lite-net.ts';
import { corruptDetector, type WeightFile } from './weight-file.ts';
import { yoloV8Detector } from './yolov8.ts';

const architectures: readonly DetectorArchitecture[] = [
  aYolomDetector,
  yoloV8Detector,
  twinLiteNetDetector,
];

/** Masks are packed into words of 32 pixels of a row. */
const widthStep = 32;

/** What a detector's file holds. */
export interface DetectorConfig extends DetectorNetwork {
  architecture: string;
  name: string;
  /** The size of image that it looks at. */
  height: number;
  width: number;
  fit: FrameFit;
}

/** Reads the metadata that the scripts in `train/` write, or the tensors of a file that has none. Throws `model-unsupported` and `model-corrupt`. */
export function detectorConfig(file: WeightFile): DetectorConfig {
  const { id, name, input, fit, network } = architectureOf(file);
  const { labels, graph } = network(file);
  const [height = 0] = file.numbers('height', [input.height]);
  const [width = 0] = file.numbers('width', [input.width]);
  if (height % input.heightStep || width % widthStep) {
    throw corruptDetector(
      `${name} takes heights in multiples of ${input.heightStep} and widths in multiples of ${widthStep}, not ${height} × ${width}`,
      { height, width },
    );
  }
  return { architecture: id, name, height, width, fit, labels: labelsOf(file, labels), graph };
}

function architectureOf(file: WeightFile): DetectorArchitecture {
  const named = file.metadata.get('architecture');
  const found = architectures.find(({ id, marks }) =>
    named === undefined ? marks.every((tensor) => file.has(tensor)) : named === id,
  );
  if (found) return found;
  const known = architectures.map(({ name }) => name).join(', ');
  throw new VitrailError('model-unsupported', 'The file is no detector that Vitrail knows.', {
    where: 'vision/config',
    fix: `Give a safetensors file of one of these: ${known}. Scripts in train/ make it of a published checkpoint. Or leave the source out.`,
    detail: { architecture: named },
  });
}

function labelsOf({ metadata }: WeightFile, labels: readonly string[]): readonly string[] {
  const text = metadata.get('labels');
  if (text === undefined || labels.length === 0) return labels;
  const named = String(text).split(',');
  if (named.length === labels.length) return named;
  const reason = `it names ${named.length} classes of boxes, and the network has ${labels.length}`;
  throw corruptDetector(reason, { labels: named });
}
