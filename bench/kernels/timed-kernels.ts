import { attention } from '../../src/kernels/attention.ts';
import { attentionCombine } from '../../src/kernels/attention-combine.ts';
import { attentionSplit, attentionSplits } from '../../src/kernels/attention-split.ts';
import { gatedActivation } from '../../src/kernels/gated-activation.ts';
import { matmul } from '../../src/kernels/matmul.ts';
import { matvec } from '../../src/kernels/matvec.ts';
import { qkv } from '../../src/kernels/qkv.ts';
import { rmsNorm } from '../../src/kernels/rms-norm.ts';
import { rope } from '../../src/kernels/rope.ts';
import { sample } from '../../src/kernels/sample.ts';
import { rowLayout } from '../../src/quant/format.ts';
import { quantFormat, quantFormats } from '../../src/quant/registry.ts';
import { naiveAttention, naivePasses } from './naive-attention.ts';
import { type Shape, timedShapes } from './shapes.ts';
import type { TimedKernel } from './time-kernel.ts';

const contextLength = 8320;
const epsilon = 1e-5;

// biome-ignore lint/suspicious/noExplicitAny: a list of existential types
type Timed = TimedKernel<any>;

/** What is timed: every kernel of a decode step and of a prefill pass of `tokens`, at the sizes of four models. */
export function timedKernels(tokens: number): Timed[] {
  return [
    ...timedShapes.flatMap((shape) => [...decodeKernels(shape), ...prefillKernels(shape, tokens)]),
    ...quantFormats.flatMap(({ name }) => tallAndWide(name)),
    square(4096, 'q4_0'),
    square(4096, 'f16'),
    ...[64, 80, 96, 112, 128].map(headAttention),
    ...[64, 128].flatMap(headProducts),
    ...[64, 128].flatMap(headNaively),
  ];
}

function decodeKernels(shape: Shape): Timed[] {
  const { name, hidden, intermediate, heads, headDim, vocabulary } = shape;
  const vector = (title: string, rows: number, columns: number, use: object) =>
    timedMatvec(`${name} decode ${title} ${rows}x${columns}`, shape.format, rows, columns, use);
  return [
    timedQkv(shape),
    ...[127, 2047, 8191].flatMap((position) => timedAttention(shape, position)),
    vector('output', hidden, heads * headDim, { residual: true }),
    vector('gate-up', intermediate, hidden, { normEpsilon: epsilon, gated: 'silu' }),
    vector('down', hidden, intermediate, { residual: true }),
    vector('lm-head', vocabulary, hidden, { normEpsilon: epsilon, lastRow: true }),
    timedSample(shape, true),
    timedSample(shape, false),
  ];
}

/** An output projection and a down projection in a storage format. */
function tallAndWide(format: string): Timed[] {
  return [
    [128_256, 2048],
    [4096, 14_336],
  ].map(([rows = 0, columns = 0]) =>
    timedMatvec(`${format} decode ${rows}x${columns}`, format, rows, columns, {}),
  );
}

function timedMatvec(
  title: string,
  formatName: string,
  rows: number,
  columns: number,
  more: object,
): Timed {
  const format = quantFormat(formatName);
  const use = { format, rows, columns, ...more };
  const matrixRows = 'gated' in more ? 2 * rows : rows;
  return {
    title,
    kernel: matvec,
    use,
    rows: 1,
    bytes: {
      weights: matrixRows * rowLayout(format, columns).rowBytes,
      x: columns * 4,
      y: rows * 4,
      norm_weight: columns * 4,
      state: 32,
    },
    state: [0, 1, 0, 0],
    streamed: 'weights',
    flops: 2 * matrixRows * columns,
  };
}

function cacheBytes({ kvHeads, headDim }: Shape): number {
  return kvHeads * contextLength * headDim * 2;
}

function timedQkv(shape: Shape): Timed {
  const { name, hidden, heads, kvHeads, headDim } = shape;
  const format = quantFormat(shape.format);
  const rows = (heads + 2 * kvHeads) * headDim;
  const use = {
    format,
    columns: hidden,
    heads,
    kvHeads,
    headDim,
    contextLength,
    ropeDimensions: headDim,
    interleaved: false,
    kv: 'f16',
    normEpsilon: epsilon,
    bias: false,
  };
  return {
    title: `${name} decode qkv ${rows}x${hidden}`,
    kernel: qkv,
    use,
    rows: 1,
    bytes: {
      state: 32,
      x: hidden * 4,
      weights: rows * rowLayout(format, hidden).rowBytes,
      norm_weight: hidden * 4,
      queries: heads * headDim * 4,
      k_cache: cacheBytes(shape),
      v_cache: cacheBytes(shape),
      rope: 512 * headDim * 8,
    },
    state: [127, 1, 0, 0],
    streamed: 'weights',
  };
}

function attentionUse({ heads, kvHeads, headDim }: Shape): object {
  return {
    heads,
    kvHeads,
    headDim,
    contextLength,
    scale: headDim ** -0.5,
    window: 0,
    kv: 'f16',
  };
}

function timedAttention(shape: Shape, position: number): Timed[] {
  const { name, heads, headDim } = shape;
  const use = attentionUse(shape);
  const parts = heads * attentionSplits(shape.kvHeads);
  const shared = {
    use,
    rows: 1,
    bytes: {
      state: 32,
      queries: heads * headDim * 4,
      k_cache: cacheBytes(shape),
      v_cache: cacheBytes(shape),
      out: heads * headDim * 4,
      split_outputs: parts * headDim * 4,
      split_scales: parts * 8,
    },
    state: [position, 1, 0, 0],
  };
  const title = `${name} decode attention at ${position}`;
  const whole = { title, kernel: attention, ...shared };
  return [
    ...(position < 3000 ? [whole] : []),
    { title: `${title}, split`, kernel: attentionSplit, ...shared },
    { title: `${title}, combine`, kernel: attentionCombine, ...shared },
  ];
}

function timedSample({ name, vocabulary }: Shape, greedy: boolean): Timed {
  return {
    title: `${name} decode sample ${greedy ? 'greedy' : 'random'}`,
    kernel: sample,
    use: { vocabulary, greedy },
    rows: 1,
    bytes: { logits: vocabulary * 4, state: 32, seen: vocabulary / 8 + 4, sampler: 32 },
    state: [0, 1, 0, 0],
    // As answers are drawn where nobody says otherwise.
    sampler: { temperature: 0.7, topK: 40, topP: 0.95, minP: 0, repetitionPenalty: 1, seed: 0 },
  };
}

function prefillKernels(shape: Shape, tokens: number): Timed[] {
  const { name, hidden, intermediate, heads, kvHeads, headDim } = shape;
  const matrix = (title: string, rows: number, columns: number, more: object = {}) =>
    timedMatmul(
      `${name} prefill ${title} ${rows}x${columns}`,
      shape.format,
      tokens,
      rows,
      columns,
      more,
    );
  const qkvRows = (heads + 2 * kvHeads) * headDim;
  return [
    matrix('qkv', qkvRows, hidden),
    matrix('output', hidden, heads * headDim, { residual: true }),
    matrix('gate-up', 2 * intermediate, hidden),
    matrix('activated gate-up', 2 * intermediate, hidden, {
      gated: 'silu',
      yStride: intermediate,
    }),
    matrix('down', hidden, intermediate, { residual: true }),
    ...[0, 1024].map(
      (position): Timed => ({
        title: `${name} prefill attention at ${position}`,
        kernel: attention,
        use: { ...attentionUse(shape), many: true, leastTokens: tokens, output: 'f16' },
        rows: tokens,
        bytes: {
          state: 16 + tokens * 4,
          queries: tokens * heads * headDim * 4,
          k_cache: cacheBytes(shape),
          v_cache: cacheBytes(shape),
          out: tokens * heads * headDim * 4,
        },
        state: [position, tokens, 0, 0],
        flops: 2 * tokens * (tokens + 2 * position) * heads * headDim,
      }),
    ),
    {
      title: `${name} prefill norm`,
      kernel: rmsNorm,
      use: { columns: hidden, epsilon },
      rows: tokens,
      bytes: {
        state: 16 + tokens * 4,
        x: tokens * hidden * 4,
        norm_weight: hidden * 4,
        y: tokens * hidden * 4,
      },
      state: [0, tokens, 0, 0],
    },
    {
      title: `${name} prefill activation`,
      kernel: gatedActivation,
      use: { activation: 'silu', columns: intermediate, yStride: intermediate, y: 'f16' },
      rows: tokens,
      bytes: {
        state: 16 + tokens * 4,
        x: tokens * 2 * intermediate * 4,
        y: tokens * intermediate * 2,
      },
      state: [0, tokens, 0, 0],
    },
    {
      title: `${name} prefill rope`,
      kernel: rope,
      use: { ...attentionUse(shape), ropeDimensions: headDim, interleaved: false },
      rows: tokens,
      bytes: {
        state: 16 + tokens * 4,
        qkv: tokens * qkvRows * 4,
        rope: 512 * headDim * 8,
        queries: tokens * heads * headDim * 4,
        k_cache: cacheBytes(shape),
        v_cache: cacheBytes(shape),
      },
      state: [0, tokens, 0, 0],
    },
  ];
}

/** Attention that is compared with products, and with three passes: causal, of so many heads, and so many tokens of a pass. */
const comparedTokens = 4096;
const comparedHeads = 16;

function headAttention(headDim: number): Timed {
  const tokens = comparedTokens;
  const heads = comparedHeads;
  const cache = tokens * heads * headDim * 2;
  return {
    title: `heads of ${headDim}, attention of ${tokens}`,
    kernel: attention,
    use: {
      heads,
      kvHeads: heads,
      headDim,
      contextLength: tokens,
      scale: headDim ** -0.5,
      window: 0,
      kv: 'f16',
      many: true,
      leastTokens: tokens,
      output: 'f16',
    },
    rows: tokens,
    bytes: {
      state: 16 + tokens * 4,
      queries: 2 * cache,
      k_cache: cache,
      v_cache: cache,
      out: cache,
    },
    state: [0, tokens, 0, 0],
    flops: 2 * tokens * tokens * heads * headDim,
  };
}

/** Products of the sizes of such a head's: of queries and keys, and of probabilities and values. */
function headProducts(headDim: number): Timed[] {
  const product = (title: string, rows: number, columns: number) =>
    timedMatmul(
      `heads of ${headDim}, ${title} of ${comparedTokens}`,
      'f16',
      comparedTokens,
      rows,
      columns,
      {},
    );
  return [
    product('product', comparedTokens, headDim),
    product('product with values', headDim, comparedTokens),
  ];
}

/** The passes of the same attention with its scores in memory: their times add up. */
function headNaively(headDim: number): Timed[] {
  const tokens = comparedTokens;
  const heads = comparedHeads;
  const cache = tokens * heads * headDim * 2;
  return naivePasses.map((pass) => ({
    title: `heads of ${headDim}, naive ${pass} of ${tokens}`,
    kernel: naiveAttention,
    use: { pass, tokens, heads, headDim },
    rows: tokens,
    bytes: {
      queries: cache,
      keys: cache,
      scores: heads * tokens ** 2 * 4,
      values: cache,
      out: cache,
    },
  }));
}

function square(edge: number, format: string): Timed {
  return timedMatmul(`square ${edge} ${format}`, format, edge, edge, edge, {});
}

function timedMatmul(
  title: string,
  formatName: string,
  tokens: number,
  rows: number,
  columns: number,
  more: object,
): Timed {
  const format = quantFormat(formatName);
  return {
    title,
    kernel: matmul,
    use: { format, rows, columns, x: 'f16', yStride: rows, leastTokens: tokens, ...more },
    rows: tokens,
    bytes: {
      state: 16 + tokens * 4,
      weights: rows * rowLayout(format, columns).rowBytes,
      x: tokens * columns * 2,
      y: tokens * rows * 4,
    },
    state: [0, tokens, 0, 0],
    flops: 2 * tokens * rows * columns,
  };
}
