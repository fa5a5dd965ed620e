import { quantFormat, quantFormats } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { randomMatrix } from '../testing/weights.ts';
import type { EmbeddingUse } from './embedding.ts';

/** Rows of the matrix, scaled, padded with zeros to a multiple of 32 columns; tokens outside of it leave their rows alone (NaN here). */
export function embeddingReference(
  use: EmbeddingUse,
  weights: Float64Array,
  tokens: readonly number[],
): Float64Array {
  const stride = Math.ceil(use.columns / 32) * 32;
  const y = new Float64Array(tokens.length * stride);
  const { firstToken = 0, vocabulary } = use;
  tokens.forEach((token, row) => {
    const own = token - firstToken;
    if (own < 0 || own >= vocabulary) {
      y.fill(Number.NaN, row * stride, (row + 1) * stride);
      return;
    }
    for (let k = 0; k < use.columns; k += 1) {
      y[row * stride + k] = (weights[own * use.columns + k] ?? 0) * use.scale;
    }
  });
  return y;
}

function toCase(
  name: string,
  formatName: string,
  columns: number,
  count: number,
  scale: number,
  part: { firstToken?: number } = {},
): KernelCase<EmbeddingUse> {
  const vocabulary = 61;
  const format = quantFormat(formatName);
  const matrix = randomMatrix(format, vocabulary, columns, 400 + columns);
  const random = new Random(columns);
  // Of a part: tokens before it and behind it too.
  const range = part.firstToken === undefined ? vocabulary : 3 * vocabulary;
  const tokens = Array.from({ length: count }, () => random.uint32() % range);
  const use: EmbeddingUse = { format, vocabulary, columns, scale, ...part };
  return {
    name,
    use,
    rows: count,
    inputs: () => ({
      state: Uint32Array.of(0, count, 0, 0, ...tokens),
      weights: matrix.gpu,
    }),
    outputs: () => ({ y: { values: embeddingReference(use, matrix.values, tokens) } }),
  };
}

export const embeddingCases: readonly KernelCase<EmbeddingUse>[] = [
  toCase('one token', 'f32', 32, 1, 1),
  toCase('padded columns', 'f32', 172, 7, 1),
  toCase('8-bit blocks, scaled', 'q8_0', 576, 19, 24),
  toCase('a part of a larger matrix', 'q4_0', 96, 23, 1, { firstToken: 61 }),
  // Looking rows up shows each format's decoding by itself.
  ...quantFormats.map(({ name }) => toCase(`rows of ${name}`, name, 512, 5, 1)),
];
