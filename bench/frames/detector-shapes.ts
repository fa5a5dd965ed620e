import { aYolom } from '../../src/vision/a-yolom.ts';
import { channelsOf } from '../../src/vision/graph.ts';
import type { StageWidths } from '../../src/vision/yolo-blocks.ts';

const [height, width] = [384, 672];
const stages: Readonly<Record<string, StageWidths>> = {
  n: [16, 32, 64, 128, 256],
  s: [32, 64, 128, 256, 512],
};

/** What a detector's file of this size says and holds: names and shapes of tensors, no values. */
export interface DetectorShapes {
  metadata: Record<string, string>;
  tensors: [name: string, shape: number[]][];
}

/** Throws where there is no such size. */
export function detectorShapes(size: string): DetectorShapes {
  const widths = stages[size];
  if (!widths) throw new Error(`no detector '${size}': ${Object.keys(stages).join(', ')}`);
  const config = { stages: widths, boxWidth: 64, maskWidth: 32 };
  const tensors: DetectorShapes['tensors'] = [];
  for (const node of aYolom(config, height, width).nodes) {
    if (node.op !== 'convolution') continue;
    const { name, kernel, transposed } = node;
    const [inputs, outputs] = [channelsOf(node.input.parts), channelsOf(node.output.parts)];
    const ends = transposed ? [inputs, outputs] : [outputs, inputs];
    tensors.push([`${name}.weight`, [...ends, kernel, kernel]], [`${name}.bias`, [outputs]]);
  }
  return {
    metadata: {
      architecture: 'a-yolom',
      stages: widths.join(),
      box_width: '64',
      mask_width: '32',
      height: `${height}`,
      width: `${width}`,
      labels: 'vehicle',
    },
    tensors,
  };
}
