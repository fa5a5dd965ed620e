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
export function readHalf(bytes: DataView, at: number): number {
  return halfToNumber(bytes.getUint16(at, true));
}

export function writeHalf(bytes: DataView, at: number, value: number): void {
  bytes.setUint16(at, numberToHalf(value), true);
}
