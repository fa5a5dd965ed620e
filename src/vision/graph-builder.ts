import type { ConvolutionActivation } from '../kernels/convolution.ts';
import {
  channelsOf,
  type FeatureMap,
  type Graph,
  groupsOf,
  type Node,
  type Parts,
} from './graph.ts';

export interface ConvolutionOptions {
  kernel?: number;
  stride?: number;
  dilation?: number;
  activation?: ConvolutionActivation;
  residual?: FeatureMap;
  bias?: boolean;
}

/**
 * Writes a network down node by node. A concatenation costs nothing where its maps have no place yet: they are then written side
 * by side. A map that stands in one concatenation already is copied into the next one.
 */
export class GraphBuilder {
  readonly input: FeatureMap;
  readonly #nodes: Node[] = [];

  constructor(height: number, width: number, channels: number) {
    this.input = newMap(height, width, [channels]);
  }

  convolution(
    name: string,
    input: FeatureMap,
    channels: number,
    options: ConvolutionOptions = {},
  ): FeatureMap {
    const { kernel = 1, stride = 1, dilation = 1, activation = 'silu' } = options;
    const { residual = null, bias = true } = options;
    const output = newMap(Math.ceil(input.height / stride), Math.ceil(input.width / stride), [
      channels,
    ]);
    const shape = { kernel, stride, dilation, transposed: false, bias };
    this.#nodes.push({ op: 'convolution', name, input, output, ...shape, activation, residual });
    return output;
  }

  /** 2 × 2 with stride 2, backwards: twice the height and width. */
  transposedConvolution(
    name: string,
    input: FeatureMap,
    channels: number,
    activation: ConvolutionActivation,
    bias = true,
  ): FeatureMap {
    const output = newMap(input.height * 2, input.width * 2, [channels]);
    const shape = { kernel: 2, stride: 2, dilation: 1, transposed: true, residual: null, bias };
    this.#nodes.push({ op: 'convolution', name, input, output, ...shape, activation });
    return output;
  }

  /** Normalization and PReLU of a map (and another one, added first) that no convolution can take up. */
  affine(name: string, input: FeatureMap, residual: FeatureMap | null = null): FeatureMap {
    const output = newMap(input.height, input.width, input.parts);
    this.#nodes.push({ op: 'affine', name, input, output, residual });
    return output;
  }

  /** Attention between the channels of a map in one part, a multiple of four. */
  channelAttention(name: string, input: FeatureMap): FeatureMap {
    const output = newMap(input.height, input.width, input.parts);
    this.#nodes.push({ op: 'channel-attention', name, input, output });
    return output;
  }

  pool(kind: 'maximum' | 'mean', input: FeatureMap, window: number, stride = 1): FeatureMap {
    const output = newMap(
      Math.ceil(input.height / stride),
      Math.ceil(input.width / stride),
      input.parts,
    );
    this.#nodes.push({ op: 'pool', kind, window, stride, input, output });
    return output;
  }

  resample(
    input: FeatureMap,
    height: number,
    width: number,
    filter: 'nearest' | 'bilinear' = 'nearest',
  ): FeatureMap {
    const output = newMap(height, width, input.parts);
    this.#nodes.push({ op: 'resample', filter, input, output });
    return output;
  }

  up(input: FeatureMap): FeatureMap {
    return this.resample(input, input.height * 2, input.width * 2);
  }

  /** The last channels of a map, where a group begins. No copy. */
  tail(map: FeatureMap, channels: number): FeatureMap {
    const before = channelsOf(map.parts) - channels;
    if (map.parts.length !== 1 || before % 4 !== 0) {
      throw new Error(`a map of ${map.parts.join(' + ')} channels cannot be cut at ${before}`);
    }
    return { ...newMap(map.height, map.width, [channels]), of: { map, group: before / 4 } };
  }

  concatenate(maps: readonly FeatureMap[]): FeatureMap {
    const [first] = maps;
    if (!first) throw new Error('nothing to concatenate');
    const whole = newMap(
      first.height,
      first.width,
      maps.flatMap(({ parts }) => parts),
    );
    const block = { height: whole.height, width: whole.width, groups: groupsOf(whole.parts) };
    whole.block = block;
    let group = 0;
    for (const map of maps) {
      const free = map.block === null && map.of === null && map !== this.input;
      const part = free ? map : this.resample(map, map.height, map.width);
      part.block = block;
      part.group = group;
      group += groupsOf(part.parts);
    }
    return whole;
  }

  build(outputs: Readonly<Record<string, FeatureMap>>): Graph {
    return { input: this.input, nodes: this.#nodes, outputs };
  }
}

function newMap(height: number, width: number, parts: Parts): FeatureMap {
  return { height, width, parts, block: null, group: 0, of: null };
}
