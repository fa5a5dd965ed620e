import { VitrailError } from '../errors.ts';
import type { DetectorArchitecture } from './detector-architecture.ts';
import type { FeatureMap, Graph } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { WeightFile } from './weight-file.ts';

/** The factor of the attention between positions, and the size up to which it changes no result of half precision. */
const positionFactor = 'encoder.sa.gamma';
const negligibleFactor = 1e-6;

/** Dilations of a pyramid beside the first, each summed with the one before it. */
const dilations = [2, 4, 8, 16];

/**
 * TwinLiteNet (arXiv 2307.10705) for images of height × width, both multiples of 8. Outputs: `drivable` and `lanes` [H, W, 2],
 * background and foreground. Its attention between positions is left out: the factor that training gave it, −4 · 10⁻²⁰, is none.
 */
export function twinLiteNet(height: number, width: number): Graph {
  const graph = new GraphBuilder(height, width, 3);
  const encoded = encoder(graph);
  const mask = (head: number): FeatureMap => {
    const at4 = graph.transposedConvolution(`up_1_${head}.deconv`, encoded, 16, 'prelu', false);
    const at2 = graph.transposedConvolution(`up_2_${head}.deconv`, at4, 8, 'prelu', false);
    return graph.transposedConvolution(`classifier_${head}.deconv`, at2, 2, 'prelu', false);
  };
  return graph.build({ drivable: mask(1), lanes: mask(2) });
}

/** TwinLiteNet with the names of its published checkpoint. Frames are stretched to its input, as in its training. */
export const twinLiteNetDetector: DetectorArchitecture = {
  id: 'twin-lite-net',
  name: 'TwinLiteNet',
  marks: ['encoder.level1.conv.weight', 'up_1_1.deconv.weight', 'classifier_2.deconv.weight'],
  input: { height: 360, width: 640, heightStep: 8 },
  fit: 'stretch',
  network: (file) => {
    checkPositionFactor(file);
    return { labels: [], graph: twinLiteNet };
  },
};

/** Throws `model-unsupported` for weights whose attention between positions does something: the graph has none. */
function checkPositionFactor(file: WeightFile): void {
  if (!file.has(positionFactor)) return;
  const [factor = 0] = file.values(positionFactor, [1]);
  if (Math.abs(factor) <= negligibleFactor) return;
  throw new VitrailError(
    'model-unsupported',
    `This TwinLiteNet attends between positions, by a factor of ${factor}, which is not supported.`,
    {
      where: 'vision/config',
      fix: `Use the published weights, whose factor is none, or train with '${positionFactor}' kept at 0.`,
      detail: { tensor: positionFactor, factor },
    },
  );
}

function encoder(graph: GraphBuilder): FeatureMap {
  const activated = (
    name: string,
    map: FeatureMap,
    channels: number,
    {
      kernel = 3,
      stride = 1,
      residual,
    }: { kernel?: number; stride?: number; residual?: FeatureMap } = {},
  ): FeatureMap =>
    graph.convolution(`encoder.${name}.conv`, map, channels, {
      kernel,
      stride,
      activation: 'prelu',
      bias: false,
      ...(residual ? { residual } : {}),
    });
  const half = graph.pool('mean', graph.input, 3, 2);
  const quarter = graph.pool('mean', half, 3, 2);
  const at2 = graph.concatenate([activated('level1', graph.input, 16, { stride: 2 }), half]);
  const start4 = downPyramid(graph, 'encoder.level2_0', activated('b1', at2, 19), 64);
  let at4 = start4;
  for (let i = 0; i < 2; i += 1) at4 = residualPyramid(graph, `encoder.level2.${i}`, at4, 64);
  const all4 = activated('b2', graph.concatenate([at4, start4, quarter]), 131);
  const start8 = downPyramid(graph, 'encoder.level3_0', all4, 128);
  let at8 = start8;
  for (let i = 0; i < 3; i += 1) at8 = residualPyramid(graph, `encoder.level3.${i}`, at8, 128);
  const merged = activated('b3', graph.concatenate([start8, at8]), 32);
  const positions = activated('conv_sa', merged, 32);
  const attended = graph.channelAttention('encoder.sc', merged);
  const both = activated('conv_sc', attended, 32, { residual: positions });
  return activated('classifier', both, 32, { kernel: 1 });
}

/** Reduces, convolves with five dilations, sums the four larger ones one after another, and sets all side by side. */
function pyramid(
  graph: GraphBuilder,
  name: string,
  input: FeatureMap,
  channels: number,
  stride: number,
): FeatureMap {
  const width = Math.floor(channels / 5);
  const bare = { activation: 'none', bias: false } as const;
  const kernel = stride === 1 ? 1 : 3;
  const reduced = graph.convolution(`${name}.c1.conv`, input, width, { ...bare, kernel, stride });
  const first = channels - 4 * width;
  const parts = [graph.convolution(`${name}.d1.conv`, reduced, first, { ...bare, kernel: 3 })];
  let sum: FeatureMap | undefined;
  for (const dilation of dilations) {
    const residual = sum ? { residual: sum } : {};
    const options = { ...bare, kernel: 3, dilation, ...residual };
    sum = graph.convolution(`${name}.d${dilation}.conv`, reduced, width, options);
    parts.push(sum);
  }
  return graph.concatenate(parts);
}

function downPyramid(
  graph: GraphBuilder,
  name: string,
  input: FeatureMap,
  channels: number,
): FeatureMap {
  return graph.affine(name, pyramid(graph, name, input, channels, 2));
}

function residualPyramid(
  graph: GraphBuilder,
  name: string,
  input: FeatureMap,
  channels: number,
): FeatureMap {
  return graph.affine(`${name}.bn`, pyramid(graph, name, input, channels, 1), input);
}
