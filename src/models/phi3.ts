import { baseConfig, baseWeights, weightName, withSlidingWindow } from './base.ts';
import type { Architecture } from './config.ts';
import { hyperParameters } from './header-reader.ts';

/** Phi-3 (arXiv 2404.14219): queries, keys and values in one matrix, gate and up in another; LongRoPE in the long models. */
export const phi3: Architecture = {
  name: 'phi3',
  config(header, options) {
    const config = baseConfig(header, 'phi3', options);
    return withSlidingWindow(config, hyperParameters(header).numberOr('slidingWindow', null));
  },
  weights(header, config) {
    const queries = config.numAttentionHeads * config.headDim;
    const keys = config.numKeyValueHeads * config.headDim;
    const { intermediateSize } = config;
    return baseWeights(header, config, (layer, parameters) => {
      const qkv = weightName(parameters, 'qkv', layer);
      const gateUp = weightName(parameters, 'gateUp', layer);
      return {
        q: { name: qkv, rows: [0, queries] },
        k: { name: qkv, rows: [queries, queries + keys] },
        v: { name: qkv, rows: [queries + keys, queries + 2 * keys] },
        gate: { name: gateUp, rows: [0, intermediateSize] },
        up: { name: gateUp, rows: [intermediateSize, 2 * intermediateSize] },
      };
    });
  },
};
