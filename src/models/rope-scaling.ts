import type { ModelHeader } from '../formats/header.ts';
import type { ArchitectureOptions, RopeConfig } from './config.ts';
import { checkWhole, type HyperParameters, isRecord } from './header-reader.ts';

/** Tensors of GGUF files whose values divide the frequencies. */
const factorTensors = {
  all: 'rope_freqs.weight',
  long: 'rope_factors_long.weight',
  short: 'rope_factors_short.weight',
} as const;

/** RoPE as the file describes it: base, partial rotation, and the scaling beyond the original context. */
export function ropeConfig(
  header: ModelHeader,
  parameters: HyperParameters,
  headDim: number,
  options: ArchitectureOptions,
  layerType = 'full_attention',
): RopeConfig {
  const partial = parameters.config('partial_rotary_factor');
  const dimensions = checkWhole(
    'the number of rotated components',
    parameters.numberOr(
      'ropeDimensions',
      typeof partial === 'number' ? Math.floor(headDim * partial) : headDim,
    ),
    headDim,
  );
  const base = plainRope(parameters.numberOr('ropeTheta', 10_000), dimensions);
  return parameters.container === 'gguf'
    ? scaledByMetadata(header, parameters, base, options)
    : scaledByConfig(parameters, base, options, layerType);
}

/** θ^(−2i / dimensions) for each pair i, in halves. */
export function plainRope(theta: number, dimensions: number): RopeConfig {
  const pairs = Array.from({ length: dimensions / 2 }, (_, i) => theta ** ((-2 * i) / dimensions));
  return {
    dimensions,
    interleaved: false,
    inverseFrequencies: Float64Array.from(pairs),
    factorsTensor: null,
    magnitude: 1,
  };
}

/** Position interpolation (Chen et al. 2023, arXiv 2306.15595): positions are divided by the factor. */
export function linearlyScaled(rope: RopeConfig, factor: number): RopeConfig {
  return divided(rope, () => factor);
}

function divided(rope: RopeConfig, divisor: (pair: number) => number): RopeConfig {
  const inverseFrequencies = rope.inverseFrequencies.map((value, pair) => value / divisor(pair));
  return { ...rope, inverseFrequencies };
}

function scaledByMetadata(
  header: ModelHeader,
  parameters: HyperParameters,
  rope: RopeConfig,
  options: ArchitectureOptions,
): RopeConfig {
  const original = parameters.numberOr('originalPositionEmbeddings', null);
  const trained = parameters.numberOr('maxPositionEmbeddings', 0);
  if (header.tensors.has(factorTensors.long)) {
    const isLong = options.contextLength > (original ?? trained);
    const stored = parameters.metadata('rope.scaling.attn_factor');
    const magnitude =
      typeof stored === 'number' ? stored : longRopeMagnitude(trained, original ?? trained);
    const factorsTensor = isLong ? factorTensors.long : factorTensors.short;
    return { ...rope, magnitude, factorsTensor };
  }
  if (header.tensors.has(factorTensors.all)) return { ...rope, factorsTensor: factorTensors.all };
  const factor = parameters.metadata('rope.scaling.factor');
  const linear = parameters.metadata('rope.scaling.type') === 'linear';
  return linear && typeof factor === 'number' ? linearlyScaled(rope, factor) : rope;
}

function scaledByConfig(
  parameters: HyperParameters,
  rope: RopeConfig,
  options: ArchitectureOptions,
  layerType: string,
): RopeConfig {
  const given = parameters.config('rope_scaling') ?? parameters.config('rope_parameters');
  if (!isRecord(given)) return rope;
  // Models with two kinds of layers have an entry for each.
  const own = given[layerType];
  const scaling = isRecord(own) ? own : given;
  const theta = scaling.rope_theta;
  const base = typeof theta === 'number' ? plainRope(theta, rope.dimensions) : rope;
  const kind = scaling.rope_type ?? scaling.type;
  const factor = Number(scaling.factor ?? 1);
  if (kind === 'linear') return linearlyScaled(base, factor);
  if (kind === 'llama3') return llama3Scaled(base, scaling, factor);
  if (kind !== 'longrope') return base;
  const trained = parameters.numberOr('maxPositionEmbeddings', 0);
  const original = parameters.numberOr(
    'originalPositionEmbeddings',
    Number(scaling.original_max_position_embeddings ?? trained),
  );
  const list = options.contextLength > original ? scaling.long_factor : scaling.short_factor;
  const factors = Array.isArray(list) ? list.map(Number) : [];
  const magnitude = Number(scaling.attention_factor ?? longRopeMagnitude(trained, original));
  return { ...divided(base, (pair) => factors[pair] ?? 1), magnitude };
}

/** √(1 + ln(extension) / ln(original)) (LongRoPE, arXiv 2402.13753, as Phi-3 uses it). */
function longRopeMagnitude(trained: number, original: number): number {
  const extension = trained / original;
  return extension > 1 ? Math.sqrt(1 + Math.log(extension) / Math.log(original)) : 1;
}

/**
 * Llama 3.1's scaling: wavelengths longer than original / low are divided by the factor, those shorter than
 * original / high stay, between them the two are blended.
 */
function llama3Scaled(
  rope: RopeConfig,
  scaling: Record<string, unknown>,
  factor: number,
): RopeConfig {
  const low = Number(scaling.low_freq_factor ?? 1);
  const high = Number(scaling.high_freq_factor ?? 4);
  const original = Number(scaling.original_max_position_embeddings ?? 8192);
  const inverseFrequencies = rope.inverseFrequencies.map((frequency) => {
    const turns = (original * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
  return { ...rope, inverseFrequencies };
}
