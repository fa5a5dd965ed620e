import type { QuantFormat } from '../quant/format.ts';

/** Seeded random numbers (mulberry32): the same seed gives the same case on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 2³²). */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  }

  /** Uniform in [from, to). */
  uniform(from = 0, to = 1): number {
    return from + ((to - from) * this.uint32()) / 2 ** 32;
  }

  /** Normal with this standard deviation (Box–Muller). */
  normal(deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Normal numbers, a few of them a hundred times larger: sums must survive outliers. */
  activations(count: number, outliers = 0): Float32Array<ArrayBuffer> {
    const values = Float32Array.from({ length: count }, () => this.normal());
    for (let i = 0; i < outliers; i += 1) {
      const at = this.uint32() % count;
      values[at] = (values[at] ?? 0) * 100;
    }
    return values;
  }

  /** Blocks of a storage format as they stand in a file, with weights of ordinary size. */
  blocks(format: QuantFormat, count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count * format.blockBytes);
    const weights = new Float64Array(format.blockElements);
    for (let block = 0; block < count; block += 1) {
      const view = bytes.subarray(block * format.blockBytes, (block + 1) * format.blockBytes);
      do {
        for (let i = 0; i < view.length; i += 1) view[i] = this.uint32();
        format.dequantize(view, weights);
      } while (!weights.every((weight) => Math.abs(weight) < 4) || weights.every((w) => w === 0));
    }
    return bytes;
  }
}
