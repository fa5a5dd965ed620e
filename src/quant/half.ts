const bits32 = new Uint32Array(1);
const single = new Float32Array(bits32.buffer);

/** Half precision (IEEE 754 binary16) bits → number. Exact. */
export function halfToNumber(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const magnitude = bits & 0x7fff;
  if (magnitude < 0x400) return (sign ? -1 : 1) * magnitude * 2 ** -24;
  // The exponent's bias grows from 15 to 127, and infinity's exponent from 31 to 255.
  const bias = magnitude < 0x7c00 ? 112 : 224;
  bits32[0] = sign | ((magnitude << 13) + (bias << 23));
  return single[0] as number;
}

const double = new Float64Array(1);
/** The low word, the high word. */
const words = new Uint32Array(double.buffer);

/** Number → half precision bits, to nearest, ties to even. Too large becomes infinite. */
export function numberToHalf(value: number): number {
  double[0] = value;
  const high = words[1] as number;
  const sign = (high >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (!(magnitude < 65_520)) return Number.isNaN(value) ? 0x7e00 : sign | 0x7c00;
  // A sum with 2⁴² times a number's power of two has no bits below its tenth: adding rounds.
  if (magnitude < 2 ** -14) return sign | ((magnitude + 2 ** 28 - 2 ** 28) * 2 ** 24);
  words[0] = 0;
  words[1] = (high & 0x7ff0_0000) + (42 << 20);
  const power = double[0] as number;
  double[0] = magnitude + power - power;
  // The exponent's bias shrinks from 1023 to 15.
  return sign | (((words[1] as number) >>> 10) - (1008 << 10));
}

/** Half precision number at a byte offset. */
export function readHalf(bytes: DataView, at: number): number {
  return halfToNumber(bytes.getUint16(at, true));
}

export function writeHalf(bytes: DataView, at: number, value: number): void {
  bytes.setUint16(at, numberToHalf(value), true);
}
