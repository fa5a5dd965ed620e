import { baseConfig, baseWeights, weightName } from './base.ts';
import type { Architecture } from './config.ts';

/** Qwen 3 (arXiv 2505.09388): RMSNorm on each query and key head before RoPE. */
export const qwen3: Architecture = {
  name: 'qwen3',
  config: (header, options) => baseConfig(header, 'qwen3', options),
  weights: (header, config) =>
    baseWeights(header, config, (layer, parameters) => ({
      qNorm: weightName(parameters, 'qNorm', layer),
      kNorm: weightName(parameters, 'kNorm', layer),
    })),
};
