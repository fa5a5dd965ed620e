import { baseConfig, baseWeights, withSlidingWindow } from './base.ts';
import type { Architecture, RopeConfig } from './config.ts';
import { hyperParameters } from './header-reader.ts';

/**
 * Llama 2 and 3, SmolLM2, Mistral (Touvron et al. 2023, arXiv 2307.09288). Files of GGUF have the rows of q and k re-ordered, so
 * that pairs of RoPE lie side by side.
 */
export const llama: Architecture = {
  name: 'llama',
  config(header, options) {
    const parameters = hyperParameters(header);
    const config = baseConfig(header, 'llama', options);
    const interleaved = parameters.container === 'gguf';
    const rope: RopeConfig = { ...config.rope.full, interleaved };
    return withSlidingWindow(
      { ...config, rope: { full: rope, sliding: rope } },
      parameters.numberOr('slidingWindow', null),
    );
  },
  weights: (header, config) => baseWeights(header, config),
};
