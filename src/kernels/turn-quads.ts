/** Components that kernels turn together: two quads of a head (lib/turn-quads). */
export const unitRows = 8;

/** Do the heads of a model, and what RoPE turns of them, lie in whole units? */
export function turnsWholeUnits({
  headDim,
  ropeDimensions,
}: {
  headDim: number;
  ropeDimensions: number;
}): boolean {
  return headDim % unitRows === 0 && ropeDimensions % unitRows === 0;
}
