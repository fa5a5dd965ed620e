/** Figures of repeated measurements. */

/**
 * Median, smallest and largest, to four digits.
 * @param {number[]} values
 */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return [median, sorted[0], sorted.at(-1)].map((value) => Number(value.toPrecision(4)));
}
