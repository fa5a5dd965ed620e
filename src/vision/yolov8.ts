import { cocoLabels } from './coco-labels.ts';
import type { DetectorArchitecture } from './detector-architecture.ts';
import type { FeatureMap, Graph } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { WeightFile } from './weight-file.ts';
import {
  type BlockNames,
  c2f,
  type StageWidths,
  sideBins,
  sppf,
  stageWidths,
} from './yolo-blocks.ts';

/** Shape of YOLOv8 detection: n has stages of 16, 32, 64, 128, 256, depth 1 and 80 classes. */
export interface YoloV8Config {
  stages: StageWidths;
  /** Bottlenecks of a short block; the two long ones of the backbone have twice as many. */
  depth: number;
  classes: number;
}

/** As the layers are numbered in the published files, their normalization folded into `conv`. */
const names: BlockNames = {
  enter: 'cv1.conv',
  leave: 'cv2.conv',
  blocks: 'm',
  first: 'cv1.conv',
  second: 'cv2.conv',
};

/**
 * YOLOv8 detection for images of height × width, both multiples of 32. Outputs: `box0`…`box2` [H / s, W / s, 64] and
 * `score0`…`score2` [H / s, W / s, classes] at strides 8, 16, 32.
 */
export function yoloV8(config: YoloV8Config, height: number, width: number): Graph {
  const graph = new GraphBuilder(height, width, 3);
  const { depth, classes } = config;
  const [a, b, c, d, e] = config.stages;
  const down = (layer: number, map: FeatureMap, channels: number): FeatureMap =>
    graph.convolution(`model.${layer}.conv`, map, channels, { kernel: 3, stride: 2 });
  const block = (layer: number, map: FeatureMap, channels: number, count: number): FeatureMap =>
    c2f(graph, names, `model.${layer}`, map, channels, count, layer < 9);
  const at4 = block(2, down(1, down(0, graph.input, a), b), b, depth);
  const at8 = block(4, down(3, at4, c), c, 2 * depth);
  const at16 = block(6, down(5, at8, d), d, 2 * depth);
  const top = sppf(graph, names, 'model.9', block(8, down(7, at16, e), e, depth), e);
  const merged = (layer: number, maps: FeatureMap[], channels: number): FeatureMap =>
    block(layer, graph.concatenate(maps), channels, depth);
  const up16 = merged(12, [graph.up(top), at16], d);
  const up8 = merged(15, [graph.up(up16), at8], c);
  const down16 = merged(18, [down(16, up8, c), up16], d);
  const down32 = merged(21, [down(19, down16, d), top], e);
  const scoreWidth = Math.max(c, Math.min(classes, 100));
  const boxWidth = Math.max(16, c / 4, 4 * sideBins);
  const outputs: Record<string, FeatureMap> = {};
  [up8, down16, down32].forEach((map, scale) => {
    outputs[`box${scale}`] = head(graph, `model.22.cv2.${scale}`, map, boxWidth, 4 * sideBins);
    outputs[`score${scale}`] = head(graph, `model.22.cv3.${scale}`, map, scoreWidth, classes);
  });
  return graph.build(outputs);
}

/** YOLOv8 detection of any size as published, its metadata optional, its normalization folded in or beside the convolutions. */
export const yoloV8Detector: DetectorArchitecture = {
  id: 'yolov8',
  name: 'YOLOv8',
  marks: ['model.2.m.0.cv1.conv.weight', 'model.22.cv3.0.2.weight'],
  input: { height: 640, width: 640, heightStep: 32 },
  fit: 'letterbox',
  network: (file) => {
    const config = configOf(file);
    const numbered = Array.from({ length: config.classes }, (_, label) => `class ${label}`);
    return {
      labels: numbered.length === cocoLabels.length ? cocoLabels : numbered,
      graph: (height, width) => yoloV8(config, height, width),
    };
  },
};

/** The shape of the network, from the shapes of its tensors. */
function configOf(file: WeightFile): YoloV8Config {
  const channels = (name: string): number => file.shape(`${name}.weight`)[0] ?? 0;
  const stages = stageWidths([0, 1, 3, 5, 7].map((layer) => channels(`model.${layer}.conv`)));
  let depth = 1;
  while (file.has(`model.2.m.${depth}.cv1.conv.weight`)) depth += 1;
  return { stages, depth, classes: channels('model.22.cv3.0.2') };
}

function head(
  graph: GraphBuilder,
  name: string,
  map: FeatureMap,
  width: number,
  channels: number,
): FeatureMap {
  const first = graph.convolution(`${name}.0.conv`, map, width, { kernel: 3 });
  const second = graph.convolution(`${name}.1.conv`, first, width, { kernel: 3 });
  return graph.convolution(`${name}.2`, second, channels, { activation: 'none' });
}
