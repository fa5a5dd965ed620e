/** Weights of a super-block of the K formats: eight groups of 32, each of two halves with a scale of its own or not. */
export const superBlockElements = 256;

/** Scale and minimum number i (0..7) of the 12 bytes at `at`, 6 bits each. */
export function sixBitPair(file: DataView, at: number, i: number): readonly [number, number] {
  const scale = file.getUint8(at + (i & 3));
  const minimum = file.getUint8(at + 4 + (i & 3));
  if (i < 4) return [scale & 63, minimum & 63];
  const low = file.getUint8(at + 4 + i);
  return [(low & 15) | ((scale >> 6) << 4), (low >> 4) | ((minimum >> 6) << 4)];
}
