/** Bytes of a token in the buffers of a pass. */
export interface TokenBytes {
  /** In buffers of its own. */
  kept: number;
  /** In the one buffer that products leave what they make in, one behind the other: of the widest. */
  products: number;
}

export interface PassLimits {
  /** Tokens of a pass at most. */
  rows: number;
  /** Bytes of all buffers of a pass. */
  bytes: number;
  /** Bytes of one buffer. */
  bufferBytes: number;
}

const passStep = 32;

/** Tokens of the longest pass within these limits; a few are given, whatever they take. */
export function rowsOfPass({ kept, products }: TokenBytes, limits: PassLimits): number {
  const fitting = Math.min(limits.bytes / (kept + products), limits.bufferBytes / products);
  if (fitting >= limits.rows) return limits.rows;
  const whole = Math.floor(fitting / passStep) * passStep;
  return Math.min(limits.rows, Math.max(passStep, whole));
}
