import { VitrailError } from '../errors.ts';
import type { MetadataValue, ModelHeader } from '../formats/header.ts';

/**
 * Hyper-parameters of a model file, whichever container it came in: GGUF keeps them as `<architecture>.<key>`, safetensors as
 * the `config.json` beside it, which storage puts into the metadata under `vitrail.config`.
 */
export interface HyperParameters {
  container: 'gguf' | 'safetensors';
  name: string;
  /** A number that the model must have. Throws `model-corrupt`. */
  number(key: ParameterKey): number;
  numberOr<T>(key: ParameterKey, otherwise: T): number | T;
  /** A value of config.json; undefined in GGUF. */
  config(key: string): unknown;
  /** The raw value of GGUF metadata `<architecture>.<key>`; undefined in safetensors. */
  metadata(key: string): MetadataValue | undefined;
}

/** Where each number stands: GGUF's key behind the architecture's name, config.json's key. */
const keys = {
  hiddenSize: ['embedding_length', 'hidden_size'],
  intermediateSize: ['feed_forward_length', 'intermediate_size'],
  numHiddenLayers: ['block_count', 'num_hidden_layers'],
  numAttentionHeads: ['attention.head_count', 'num_attention_heads'],
  numKeyValueHeads: ['attention.head_count_kv', 'num_key_value_heads'],
  headDim: ['attention.key_length', 'head_dim'],
  maxPositionEmbeddings: ['context_length', 'max_position_embeddings'],
  originalPositionEmbeddings: [
    'rope.scaling.original_context_length',
    'original_max_position_embeddings',
  ],
  rmsNormEps: ['attention.layer_norm_rms_epsilon', 'rms_norm_eps'],
  ropeTheta: ['rope.freq_base', 'rope_theta'],
  ropeDimensions: ['rope.dimension_count', 'rope_dimension_count'],
  slidingWindow: ['attention.sliding_window', 'sliding_window'],
} as const;

export type ParameterKey = keyof typeof keys;

export const configKey = 'vitrail.config';

export function hyperParameters(header: ModelHeader): HyperParameters {
  const { metadata } = header;
  const configText = metadata.get(configKey);
  if (typeof configText === 'string') return fromConfig(configText);
  const architecture = String(metadata.get('general.architecture'));
  return {
    container: 'gguf',
    name: String(metadata.get('general.name') ?? ''),
    config: () => undefined,
    metadata: (key) => metadata.get(`${architecture}.${key}`),
    ...numbers(
      (key) => metadata.get(`${architecture}.${keys[key][0]}`),
      (key) => keys[key][0],
    ),
  };
}

function fromConfig(text: string): HyperParameters {
  const config = parseConfig(text);
  return {
    container: 'safetensors',
    name: String(config._name_or_path ?? ''),
    config: (key) => config[key],
    metadata: () => undefined,
    ...numbers(
      (key) => config[keys[key][1]],
      (key) => keys[key][1],
    ),
  };
}

/** The text part of a config.json: multimodal models nest it. */
export function parseConfig(text: string): Record<string, unknown> {
  try {
    const config = JSON.parse(text) as Record<string, unknown>;
    const nested = config.text_config;
    return isRecord(nested) ? { ...config, ...nested } : config;
  } catch (cause) {
    throw new VitrailError('model-corrupt', 'config.json is no valid JSON.', {
      where: 'models/config',
      fix: 'Download config.json of the model again.',
      cause,
    });
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numbers(
  lookUp: (key: ParameterKey) => unknown,
  nameOf: (key: ParameterKey) => string,
): Pick<HyperParameters, 'number' | 'numberOr'> {
  const numberOr = <T>(key: ParameterKey, otherwise: T): number | T => {
    const value = lookUp(key);
    return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
  };
  return {
    numberOr,
    number: (key) => {
      const value = numberOr(key, null);
      if (value === null) throw corruptHeader(`'${nameOf(key)}' is missing`);
      return value;
    },
  };
}

export function corruptHeader(reason: string, detail?: Record<string, unknown>): VitrailError {
  return new VitrailError('model-corrupt', `The model's description cannot be used: ${reason}.`, {
    where: 'models/header',
    fix: 'Download the file again; if that does not help, convert the model with a current converter.',
    detail,
  });
}

/** A whole number in a sane range; anything else would only fail later, with a worse message. */
export function wholeNumber(parameters: HyperParameters, key: ParameterKey, most: number): number {
  return checkWhole(key, parameters.number(key), most);
}

export function checkWhole(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw corruptHeader(`${name} is ${value}`);
}
