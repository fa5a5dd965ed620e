import { baseConfig, baseWeights, weightName } from './base.ts';
import type { Architecture } from './config.ts';

/** Qwen 2 and 2.5 (arXiv 2407.10671): biases on queries, keys and values. */
export const qwen2: Architecture = {
  name: 'qwen2',
  config: (header, options) => baseConfig(header, 'qwen2', options),
  weights: (header, config) =>
    baseWeights(header, config, (layer, parameters) => ({
      qBias: weightName(parameters, 'qBias', layer),
      kBias: weightName(parameters, 'kBias', layer),
      vBias: weightName(parameters, 'vBias', layer),
    })),
};
