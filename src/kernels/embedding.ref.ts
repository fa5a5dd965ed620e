import { quantFormat, quantFormats } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { randomMatrix } from '../testing/weights.ts';
import type { EmbeddingUse } from './embedding.ts';

/** Rows of the matrix, scaled, padded with zeros to a multiple of 32 columns. */
export function embeddingReference(
  use: EmbeddingUse,
  weights: Float64Array,
  tokens: readonly number[],
): Float64Array {
  const stride = Math.ceil(use.columns / 32) * 32;
  const y = new Float64Array(tokens.length * stride);
  tokens.forEach((token, row) => {
    for (let k = 0; k < use.columns; k += 1) {
      y[row * stride + k] = (weights[token * use.columns + k] ?? 0) * use.scale;
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
): KernelCase<EmbeddingUse> {
  const vocabulary = 61;
  const format = quantFormat(formatName);
  const matrix = randomMatrix(format, vocabulary, columns, 400 + columns);
  const random = new Random(columns);
  const tokens = Array.from({ length: count }, () => random.uint32() % vocabulary);
  const use: EmbeddingUse = { format, vocabulary, columns, scale };
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
  // Looking rows up shows each format's decoding by itself.
  ...quantFormats.map(({ name }) => toCase(`rows of ${name}`, name, 512, 5, 1)),
];
