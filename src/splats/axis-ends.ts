/** Slices of an axis that numbers are counted in. */
const slices = 4096;

/**
 * The least and the most of one of three interleaved coordinates, without this share of the numbers at each end; what is not finite
 * does not count. [0, 0] where nothing does. Millions are counted by slices, and only the slice that an end lies in is sorted.
 */
export function axisEnds(
  positions: Float32Array,
  axis: number,
  outside: number,
): readonly [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (let i = axis; i < positions.length; i += 3) {
    const value = positions[i] as number;
    if (!Number.isFinite(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    count += 1;
  }
  if (count === 0) return [0, 0];
  const cut = Math.min(Math.floor((positions.length / 3) * outside), (count - 1) >> 1);
  if (cut === 0 || least === most) return [least, most];
  const scale = slices / (most - least);
  const sliceOf = (value: number): number =>
    Math.min(slices - 1, Math.floor((value - least) * scale));
  const counts = new Uint32Array(slices);
  for (let i = axis; i < positions.length; i += 3) {
    const value = positions[i] as number;
    if (!Number.isFinite(value)) continue;
    const slice = sliceOf(value);
    counts[slice] = (counts[slice] as number) + 1;
  }
  const at = (rank: number): number => {
    let slice = 0;
    let before = 0;
    while (before + (counts[slice] as number) <= rank) {
      before += counts[slice] as number;
      slice += 1;
    }
    const within = new Float32Array(counts[slice] as number);
    let found = 0;
    for (let i = axis; i < positions.length; i += 3) {
      const value = positions[i] as number;
      if (!Number.isFinite(value) || sliceOf(value) !== slice) continue;
      within[found] = value;
      found += 1;
    }
    return within.sort()[rank - before] as number;
  };
  return [at(cut), at(count - 1 - cut)];
}
