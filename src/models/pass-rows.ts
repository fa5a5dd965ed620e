import type { Capabilities } from '../gpu/capabilities.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { kvBytes } from '../kernels/kv-format.ts';
import { canGate } from '../kernels/linear.ts';
import { passTokensOf } from '../kernels/selection-use.ts';
import { wholeGroups } from '../quant/format.ts';
import type { KvCacheFormat } from '../types.ts';
import type { TransformerConfig } from './config.ts';
import type { DecoderWeights } from './decoder-weights.ts';

/** Tokens of one pass at most. Small on software adapters, so that an abort is heard in time. */
const mostRows = { hardware: 2048, software: 32 } as const;
/** A pass of so many tokens is worth its memory. */
const usualRows = 1024;
/** The widest activation of such a pass takes at most this much, so that large models do not pay for long passes. */
const maxActivationBytes = 64 * 2 ** 20;
/** Longer passes where all activations together take at most this share of what weights and cache take. */
const activationShare = 0.145;
/** Passes that memory shortens are a multiple of so many tokens. */
const passStep = 32;

/**
 * Bytes of a token in the buffers of a pass. What a product makes is used up before the next one begins, and so is a product's input: one
 * buffer for each of both. Queries are used up before anything is activated.
 */
export interface TokenBytes {
  residual: number;
  products: number;
  inputs: number;
  activated: number;
}

export interface PassLimits {
  /** Tokens of a pass at most. */
  rows: number;
  /** Bytes of all buffers of a pass. */
  bytes: number;
  /** Bytes of one buffer. */
  bufferBytes: number;
}

/** Tokens of the longest pass within these limits; a few are given, whatever they take. */
export function rowsOfPass(bytes: TokenBytes, limits: PassLimits): number {
  const widest = Math.max(...Object.values(bytes));
  const fitting = Math.min(limits.bytes / bytesOf(bytes), limits.bufferBytes / widest);
  if (fitting >= limits.rows) return limits.rows;
  const whole = Math.floor(fitting / passStep) * passStep;
  return Math.min(limits.rows, Math.max(passStep, whole));
}

/** Where weights and cache take `held` bytes. */
export function limitsOfPass(
  bytes: TokenBytes,
  held: number,
  { tokenSelect }: TransformerConfig,
  { software, maxBindingBytes }: Capabilities,
): PassLimits {
  const usual = Math.min(usualRows, maxActivationBytes / bytes.products);
  const most = mostRows[software ? 'software' : 'hardware'];
  return {
    rows: tokenSelect ? Math.min(most, passTokensOf(tokenSelect)) : most,
    bytes: Math.max(activationShare * held, usual * bytesOf(bytes)),
    bufferBytes: maxBindingBytes,
  };
}

function bytesOf({ residual, products, inputs, activated }: TokenBytes): number {
  return residual + products + inputs + activated;
}

/** `inputs`: how those of products are stored. */
export function tokenBytes(
  gpu: Gpu,
  config: TransformerConfig,
  { layers }: DecoderWeights,
  inputs: 'f32' | 'f16',
): TokenBytes {
  const { numAttentionHeads, numKeyValueHeads, headDim, intermediateSize, hiddenAct } = config;
  const hidden = wholeGroups(config.hiddenSize);
  const queries = numAttentionHeads * headDim;
  const input = inputs === 'f16' ? 2 : 4;
  const isActivated =
    inputs === 'f16' && layers.every(({ gateUp }) => canGate(gpu, gateUp, hiddenAct));
  const gatesAndUps = isActivated ? 0 : 2 * intermediateSize;
  return {
    residual: hidden * 4,
    products: Math.max(queries + 2 * numKeyValueHeads * headDim, hidden, gatesAndUps) * 4,
    inputs: Math.max(hidden, wholeGroups(queries)) * input,
    activated: Math.max(wholeGroups(intermediateSize) * input, queries * 4),
  };
}

/** Each buffer once: matrices that are multiplied together share one. */
export function weightBytes({ embedding, lmHead, layers }: DecoderWeights): number {
  const linears = layers.flatMap(({ qkv, output, gateUp, down }) => [qkv, output, gateUp, down]);
  const parts = [embedding, lmHead, ...linears].flatMap((linear) => linear.parts);
  const buffers = new Set(parts.map(({ matrix }) => matrix.buffer));
  return [...buffers].reduce((sum, buffer) => sum + buffer.size, 0);
}

/** Bytes of a cache of whole keys and values. */
export function cacheBytes(
  { numHiddenLayers, numKeyValueHeads, headDim }: TransformerConfig,
  { kvCache, contextLength }: { kvCache: KvCacheFormat; contextLength: number },
): number {
  return kvBytes(kvCache, 2 * numHiddenLayers * numKeyValueHeads * headDim * contextLength);
}
