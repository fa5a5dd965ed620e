import type { OneToken } from '../attention/attention.ts';
import type { Dispatch } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { embedding } from '../kernels/embedding.ts';
import { linearVector } from '../kernels/linear.ts';
import { sample } from '../kernels/sample.ts';
import type { DecoderParts, Prepared } from './layer.ts';
import { type PassLayer, passLayer } from './pass-layer.ts';
import { lastLayerOfOne } from './prompt-end.ts';
import { StepLayers } from './step-layer.ts';

export type Dispatches = readonly Dispatch[];

/**
 * The layers for one token, for one token far into the context, for one that selects for itself, and for many tokens: these end with the
 * keys and values of the last layer, or with its attention, since nothing else of it is asked of most of them: see `takesLastAlone`.
 */
export type Body = 'one' | 'oneFar' | 'own' | 'many';

/** All that a decoder submits, put together once, so that a step allocates nothing. */
export interface DecoderDispatches {
  bodies: Record<Body, Dispatches>;
  /** All layers for all tokens of a pass. */
  whole: Dispatches;
  /** The passes that end in a sampled token, by body and sampler. */
  sampled: Record<Body, Record<'greedy' | 'random', Dispatches>>;
}

export async function prepareDecoder(
  parts: DecoderParts,
  contextLength: number,
): Promise<DecoderDispatches> {
  const { attention, config, weights, buffers } = parts;
  const { layers } = weights;
  // At the end of the context, or with a full working set. Where that is near, as on all software adapters, no shader for far ones is compiled.
  const far = attention.isFar(contextLength);
  const steps = new StepLayers(parts);
  const step = (how: OneToken) =>
    Promise.all([
      ...embed(parts, steps.residual(0)),
      ...layers.flatMap((layer, index) => steps.layer(layer, index, how)),
    ]);
  const [one, oneFar, own, pass, end, after, head, greedy, random] = await Promise.all([
    step({ far: false }),
    step({ far }),
    config.tokenSelect ? step({ far, own: true }) : [],
    preparePass(parts),
    Promise.all([
      ...layers.slice(-1).flatMap((last) => lastLayerOfOne(parts, last, layers.length - 1, far)),
      ...lmHead(parts, buffers.xTurn, buffers.oneRow),
    ]),
    Promise.all(attention.afterStep(layers[0]?.bases ?? null)),
    Promise.all(lmHead(parts, buffers.x, buffers.state)),
    sampleOf(parts, true),
    sampleOf(parts, false),
  ]);
  const withSampler = (body: Dispatches) => ({
    greedy: [...body, greedy],
    random: [...body, random],
  });
  const { many, whole } = pass;
  return {
    bodies: { one, oneFar, own, many },
    whole,
    sampled: {
      one: withSampler([...one, ...after, ...head]),
      oneFar: withSampler([...oneFar, ...after, ...head]),
      own: withSampler([...own, ...head]),
      many: withSampler([...many, ...end]),
    },
  };
}

async function preparePass(parts: DecoderParts): Promise<{ whole: Dispatches; many: Dispatches }> {
  const layers = parts.weights.layers.map((layer, index) => passLayer(parts, layer, index));
  const all = layers.flatMap(({ project, attend, feed }) => [...project, ...attend, ...feed]);
  const whole = await Promise.all([...embed(parts, parts.buffers.x), ...all]);
  const rest = layers.slice(-1).flatMap((last) => restOf(parts, last));
  return { whole, many: whole.slice(0, whole.length - rest.length) };
}

/** What only those ask for who want all tokens of a pass. */
function restOf({ attention }: DecoderParts, { attend, feed }: PassLayer): Prepared {
  return attention.takesLastAlone ? [...attend, ...feed] : feed;
}

/** One lookup for each part of the matrix: a part writes the rows of its own tokens. */
function embed({ gpu, config, weights, buffers }: DecoderParts, x: GPUBuffer): Prepared {
  const { parts, rows, columns } = weights.embedding;
  return parts.map(({ matrix, yOffset }) =>
    prepareDispatch(
      gpu,
      embedding,
      {
        format: matrix.format,
        vocabulary: matrix.rows,
        columns,
        scale: config.embeddingScale,
        ...(matrix.rows < rows ? { firstToken: yOffset } : {}),
      },
      { state: buffers.state, weights: matrix.buffer, y: x },
    ),
  );
}

/** The head for the last row of `x`, of which `state` says how many there are. */
function lmHead(
  { gpu, config, weights, buffers }: DecoderParts,
  x: GPUBuffer,
  state: GPUBuffer,
): Prepared {
  const norm = { weight: weights.finalNorm, epsilon: config.rmsNormEps };
  return linearVector(gpu, weights.lmHead, x, buffers.logits, { norm, lastRow: state });
}

function sampleOf({ gpu, config, buffers }: DecoderParts, greedy: boolean): Promise<Dispatch> {
  const { logits, state, seen, sampler } = buffers;
  const use = { vocabulary: config.vocabSize, greedy };
  return prepareDispatch(gpu, sample, use, { logits, state, seen, sampler });
}
