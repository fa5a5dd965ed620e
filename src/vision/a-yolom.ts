import type { DetectorArchitecture } from './detector-architecture.ts';
import type { FeatureMap, Graph } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import {
  type BlockNames,
  c2f,
  type StageWidths,
  sideBins,
  sppf,
  stageWidths,
} from './yolo-blocks.ts';

/** Widths of A-YOLOM: n has stages of 16, 32, 64, 128, 256; s twice these. */
export interface AYolomConfig {
  stages: StageWidths;
  boxWidth: number;
  maskWidth: number;
}

const names: BlockNames = {
  enter: 'enter',
  leave: 'leave',
  blocks: 'blocks',
  first: 'first',
  second: 'second',
};

/**
 * A-YOLOM (arXiv 2310.01641) for images of height × width, both multiples of 32. Outputs: `box0`…`box2` [H / s, W / s, 64] and
 * `score0`…`score2` [H / s, W / s, 1] at strides 8, 16, 32; `drivable` and `lanes` [H, W, 2], background and foreground.
 */
export function aYolom(config: AYolomConfig, height: number, width: number): Graph {
  const graph = new GraphBuilder(height, width, 3);
  const skips = backbone(graph, config.stages);
  const masks: Record<string, FeatureMap> = {};
  for (const [output, prefix] of [
    ['drivable', 'drivable'],
    ['lanes', 'lane'],
  ] as const) {
    const map = maskNeck(graph, `${prefix}_neck`, skips, config.stages);
    masks[output] = maskHead(graph, `${prefix}_head`, map, config.maskWidth);
  }
  return graph.build({ ...detection(graph, skips, config), ...masks });
}

/** A-YOLOM as `train/a_yolom/export.py` and `train/import_a_yolom.py` write it: the metadata has its widths. */
export const aYolomDetector: DetectorArchitecture = {
  id: 'a-yolom',
  name: 'A-YOLOM',
  marks: ['backbone.9.enter.weight', 'drivable_head.logits.weight'],
  input: { height: 384, width: 672, heightStep: 32 },
  fit: 'letterbox',
  network: (file) => {
    const stages = stageWidths(file.numbers('stages'));
    const [boxWidth = 0] = file.numbers('box_width');
    const [maskWidth = 0] = file.numbers('mask_width');
    const config: AYolomConfig = { stages, boxWidth, maskWidth };
    return { labels: ['vehicle'], graph: (height, width) => aYolom(config, height, width) };
  },
};

/** The maps at strides 2, 4, 8, 16, 32 that the necks take up. */
function backbone(graph: GraphBuilder, [a, b, c, d, e]: StageWidths): FeatureMap[] {
  const stem = graph.convolution('backbone.0', graph.input, a, { kernel: 3, stride: 2 });
  const maps = [stem];
  let map = stem;
  const depths = [1, 2, 2, 1];
  [b, c, d, e].forEach((channels, stage) => {
    const layer = 1 + stage * 2;
    map = graph.convolution(`backbone.${layer}`, map, channels, { kernel: 3, stride: 2 });
    map = c2f(graph, names, `backbone.${layer + 1}`, map, channels, depths[stage] ?? 1, true);
    maps.push(map);
  });
  maps[4] = sppf(graph, names, 'backbone.9', map, e);
  return maps;
}

function detection(
  graph: GraphBuilder,
  skips: readonly FeatureMap[],
  { stages, boxWidth }: AYolomConfig,
): Record<string, FeatureMap> {
  const [, , c, d, e] = stages;
  const [, , skip8, skip16, top] = skips as FeatureMap[] as [
    FeatureMap,
    FeatureMap,
    FeatureMap,
    FeatureMap,
    FeatureMap,
  ];
  const block = (name: string, maps: FeatureMap[], channels: number): FeatureMap =>
    c2f(graph, names, `neck.${name}`, graph.concatenate(maps), channels, 1, false);
  const down = (name: string, map: FeatureMap, channels: number): FeatureMap =>
    graph.convolution(`neck.${name}`, map, channels, { kernel: 3, stride: 2 });
  const at16 = block('up16', [graph.up(top), skip16], d);
  const at8 = block('up8', [graph.up(at16), skip8], c);
  const fused16 = block('fuse16', [down('down16', at8, c), at16], d);
  const fused32 = block('fuse32', [down('down32', fused16, d), top], e);
  const outputs: Record<string, FeatureMap> = {};
  [at8, fused16, fused32].forEach((map, scale) => {
    outputs[`box${scale}`] = branch(graph, `detect.box.${scale}`, map, boxWidth, 4 * sideBins);
    outputs[`score${scale}`] = branch(graph, `detect.vehicle.${scale}`, map, c, 1);
  });
  return outputs;
}

function branch(
  graph: GraphBuilder,
  name: string,
  input: FeatureMap,
  width: number,
  channels: number,
): FeatureMap {
  const first = graph.convolution(`${name}.0`, input, width, { kernel: 3 });
  const second = graph.convolution(`${name}.1`, first, width, { kernel: 3 });
  return graph.convolution(`${name}.2`, second, channels, { activation: 'none' });
}

/** Adaptive concatenation, its gate always open as trained: a 1 × 1 convolution of [upsampled, skip]. */
function maskNeck(
  graph: GraphBuilder,
  name: string,
  skips: readonly FeatureMap[],
  stages: StageWidths,
): FeatureMap {
  let map = skips[4] as FeatureMap;
  for (let step = 0; step < 4; step += 1) {
    const both = graph.concatenate([graph.up(map), skips[3 - step] as FeatureMap]);
    const merged = graph.convolution(
      `${name}.merges.${step}.merge`,
      both,
      stages[4 - step] as number,
      {
        activation: 'none',
      },
    );
    map = c2f(graph, names, `${name}.fuses.${step}`, merged, stages[3 - step] as number, 1, false);
  }
  return map;
}

function maskHead(graph: GraphBuilder, name: string, input: FeatureMap, width: number): FeatureMap {
  const entered = graph.convolution(`${name}.enter`, input, width, { kernel: 3 });
  const grown = graph.transposedConvolution(`${name}.grow`, entered, width / 2, 'none');
  const mixed = graph.convolution(`${name}.mix`, grown, width / 4, { kernel: 3 });
  return graph.convolution(`${name}.logits`, mixed, 2);
}
