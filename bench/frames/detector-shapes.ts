import { aYolom } from '../../src/vision/a-yolom.ts';
import { channelsOf } from '../../src/vision/graph.ts';
import { detectorInput, detectorOf } from '../detectors.ts';

/** What a detector's file of this size says and holds: names and shapes of tensors, no values. */
export interface DetectorShapes {
  metadata: Record<string, string>;
  tensors: [name: string, shape: number[]][];
}

/** Throws where there is no such size. */
export function detectorShapes(size: string): DetectorShapes {
  const config = detectorOf(size);
  const { height, width } = detectorInput;
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
      stages: config.stages.join(),
      box_width: `${config.boxWidth}`,
      mask_width: `${config.maskWidth}`,
      height: `${height}`,
      width: `${width}`,
      labels: 'vehicle',
    },
    tensors,
  };
}
