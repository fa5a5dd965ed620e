import type { ModelHeader } from '../formats/header.ts';
import { baseConfig, baseWeights, weightName } from './base.ts';
import type { Architecture, ArchitectureOptions, TransformerConfig } from './config.ts';
import { type HyperParameters, hyperParameters, isRecord } from './header-reader.ts';
import { plainRope, ropeConfig } from './rope-scaling.ts';

/** One layer in six sees the whole context; the others slide. */
const defaultPattern = 6;
/** RoPE base of the sliding layers. */
const defaultLocalTheta = 10_000;
const defaultTheta = 1_000_000;

/**
 * Gemma 3 (arXiv 2503.19786): a norm before and after each sub-layer, norms on query and key heads, five sliding-window layers to
 * one global one with different RoPE bases, GeGLU, embeddings scaled by √hiddenSize.
 */
export const gemma3: Architecture = {
  name: 'gemma3',
  config: gemma3Config,
  weights: (header, config) =>
    baseWeights(header, config, (layer, parameters) => ({
      qNorm: weightName(parameters, 'qNorm', layer),
      kNorm: weightName(parameters, 'kNorm', layer),
      postAttentionNorm: weightName(parameters, 'postAttentionNorm', layer),
      feedForwardNorm:
        parameters.container === 'gguf'
          ? weightName(parameters, 'feedForwardNorm', layer)
          : `model.layers.${layer}.pre_feedforward_layernorm.weight`,
      postFeedForwardNorm: weightName(parameters, 'postFeedForwardNorm', layer),
    })),
};

function gemma3Config(header: ModelHeader, options: ArchitectureOptions): TransformerConfig {
  const parameters = hyperParameters(header);
  const config = baseConfig(header, 'gemma3', options);
  const scale = parameters.config('query_pre_attn_scalar');
  const { full, sliding } = gemma3Rope(header, parameters, config, options);
  return {
    ...config,
    hiddenAct: 'gelu_tanh',
    attentionScale:
      typeof scale === 'number'
        ? 1 / Math.sqrt(scale)
        : (ggufScale(config) ?? config.attentionScale),
    embeddingScale: Math.sqrt(config.hiddenSize),
    // Converters to GGUF add the 1 that Gemma's norms add to their weights.
    normWeightOffset: parameters.container === 'gguf' ? 0 : 1,
    rope: { full, sliding },
    slidingWindow: parameters.numberOr('slidingWindow', null),
    slidingLayers: slidingLayers(config, parameters.config('layer_types'), parameters),
  };
}

/** Two bases: the files of both containers may leave out either, or both. */
function gemma3Rope(
  header: ModelHeader,
  parameters: HyperParameters,
  config: TransformerConfig,
  options: ArchitectureOptions,
): TransformerConfig['rope'] {
  const { dimensions } = config.rope.full;
  if (isRecord(parameters.config('rope_parameters'))) {
    const sliding = ropeConfig(header, parameters, config.headDim, options, 'sliding_attention');
    return { full: config.rope.full, sliding };
  }
  const local =
    parameters.metadata('rope.freq_base_swa') ?? parameters.config('rope_local_base_freq');
  const theta = parameters.numberOr('ropeTheta', null);
  return {
    full: theta === null ? plainRope(defaultTheta, dimensions) : config.rope.full,
    sliding: plainRope(typeof local === 'number' ? local : defaultLocalTheta, dimensions),
  };
}

/** The 27B model scales by hiddenSize / heads instead of the head dimension; GGUF does not say so. */
function ggufScale(config: TransformerConfig): number | null {
  const is27B = config.numHiddenLayers === 62;
  return is27B ? 1 / Math.sqrt(config.hiddenSize / config.numAttentionHeads) : null;
}

function slidingLayers(
  config: TransformerConfig,
  layerTypes: unknown,
  parameters: HyperParameters,
): boolean[] {
  if (Array.isArray(layerTypes)) return layerTypes.map((type) => type === 'sliding_attention');
  const stored =
    parameters.metadata('attention.sliding_window_pattern') ??
    parameters.config('sliding_window_pattern');
  const pattern = typeof stored === 'number' && stored > 0 ? stored : defaultPattern;
  return config.slidingLayers.map((_, layer) => (layer + 1) % pattern !== 0);
}
