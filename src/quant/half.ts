/** Half precision (IEEE 754 binary16) bits → number. Exact. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Number → half precision bits, to nearest, ties to even. Too large becomes infinite. */
export function numberToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  const fraction = roundToEven((magnitude / 2 ** exponent) * 1024);
  // A subnormal has no hidden bit; a fraction that rounds up to 2048 carries into the exponent by itself.
  return sign + fraction + (magnitude < 2 ** -14 ? 0 : (exponent + 14) << 10);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Half precision number at a byte offset. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return halfToNumber((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
}

export function writeHalf(bytes: Uint8Array, at: number, value: number): void {
  const bits = numberToHalf(value);
  bytes[at] = bits & 255;
  bytes[at + 1] = bits >> 8;
}
