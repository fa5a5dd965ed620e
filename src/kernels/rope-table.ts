/** Rotary position embedding (RoFormer, arXiv 2104.09864 §3.2). */
export interface RopeConfig {
  /** Components of a head that are rotated, at most headDim. */
  dimensions: number;
  /** True: pairs (2i, 2i+1), as in GGUF files of `llama`; false: pairs (i, i + dimensions/2). */
  interleaved: boolean;
  /** Tensor of the file whose values divide the angles, one a pair; null where there is none. */
  factorsTensor: string | null;
  /** Angle for one position step of each pair, radians, scaling included; dimensions/2 values in double precision. */
  inverseFrequencies: Float64Array;
  /** Factor on cos and sin (LongRoPE and YaRN attention factor), else 1. */
  magnitude: number;
}

/** Positions that the fine part of the table holds; the coarse part steps by as many. The shader knows it too. */
const finePositions = 256;

/**
 * (cos, sin) of the angles of every pair, made in double precision: 256 fine rows for positions 0..255, then a coarse row
 * for every 256th position. The shader adds the two angles. The magnitude sits in the coarse part.
 * Shape [256 + ⌈contextLength / 256⌉, dimensions / 2, 2].
 */
export function ropeTable(
  config: RopeConfig,
  contextLength: number,
  factors?: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const pairs = config.dimensions / 2;
  const coarseRows = Math.ceil(contextLength / finePositions);
  const table = new Float32Array((finePositions + coarseRows) * pairs * 2);
  for (let row = 0; row < finePositions + coarseRows; row += 1) {
    const coarse = row >= finePositions;
    const position = coarse ? (row - finePositions) * finePositions : row;
    const magnitude = coarse ? config.magnitude : 1;
    for (let pair = 0; pair < pairs; pair += 1) {
      const angle = (position * (config.inverseFrequencies[pair] ?? 0)) / (factors?.[pair] ?? 1);
      table[(row * pairs + pair) * 2] = Math.cos(angle) * magnitude;
      table[(row * pairs + pair) * 2 + 1] = Math.sin(angle) * magnitude;
    }
  }
  return table;
}
