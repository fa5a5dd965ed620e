/**
 * How the numbers of a group (32 weights) lie in the GPU layout; see ADR 0003. A group comes as eight words with one number a byte:
 * element 4i + j in byte j of word i.
 */
export type Group = Int32Array;

const groupWords = 8;

/** A way to pack the numbers of a group, `bits` each, into words. */
export interface Packing {
  bits: number;
  /** Words of each of the planes that they lie in. */
  planeWords: readonly number[];
  /** The words of all planes, one behind the other; the next call writes them anew. */
  pack(group: Group): Int32Array;
}

/** 8 bits: element e at byte e. */
export const bytePacking: Packing = {
  bits: 8,
  planeWords: [groupWords],
  pack: (group) => group,
};

/** 2 bits: four words' numbers in one. */
export const twoBitPacking: Packing = packing(2, [2], (n, out) => {
  for (let w = 0; w < 2; w += 1) {
    out[w] =
      at(n, 4 * w) | (at(n, 4 * w + 1) << 2) | (at(n, 4 * w + 2) << 4) | (at(n, 4 * w + 3) << 6);
  }
});

/** 3 bits: two words' numbers in one, and in what is left of the bytes the last two words'. */
export const threeBitPacking: Packing = packing(3, [2, 1], (n, out) => {
  const [a, b] = [at(n, 6), at(n, 7)];
  out[0] = at(n, 0) | (at(n, 1) << 3) | ((a & 0x0303_0303) << 6);
  out[1] = at(n, 2) | (at(n, 3) << 3) | ((b & 0x0303_0303) << 6);
  out[2] = at(n, 4) | (at(n, 5) << 3) | ((a & 0x0404_0404) << 4) | ((b & 0x0404_0404) << 5);
});

/** 4 bits: two words' numbers in one. */
export const fourBitPacking: Packing = packing(4, [4], (n, out) => {
  for (let w = 0; w < 4; w += 1) out[w] = at(n, 2 * w) | (at(n, 2 * w + 1) << 4);
});

/** 4 bits in words of one bit of all numbers, for formats whose numbers stand for levels. */
export const fourPlanePacking: Packing = packing(4, [4], (n, out) => {
  for (let bit = 0; bit < 4; bit += 1) {
    let word = 0;
    for (let i = 0; i < groupWords; i += 1) word |= ((at(n, i) >>> bit) & 0x0101_0101) << i;
    out[bit] = word;
  }
});

/** 5 bits: five words, and in what is left of their bytes the last three. */
export const fiveBitPacking: Packing = packing(5, [4, 1], (n, out) => {
  const [a, b, c] = [at(n, 5), at(n, 6), at(n, 7)];
  out[0] = at(n, 0) | ((a & 0x0707_0707) << 5);
  out[1] = at(n, 1) | ((b & 0x0707_0707) << 5);
  out[2] = at(n, 2) | ((c & 0x0707_0707) << 5);
  out[3] = at(n, 3) | ((a & 0x1818_1818) << 2) | ((c & 0x0808_0808) << 4);
  out[4] = at(n, 4) | ((b & 0x1818_1818) << 2) | ((c & 0x1010_1010) << 3);
});

/** 6 bits: six words, and in what is left of their bytes the last two. */
export const sixBitPacking: Packing = packing(6, [4, 2], (n, out) => {
  for (let i = 0; i < 2; i += 1) {
    const last = at(n, 6 + i);
    out[3 * i] = at(n, 3 * i) | ((last & 0x0303_0303) << 6);
    out[3 * i + 1] = at(n, 3 * i + 1) | ((last & 0x0c0c_0c0c) << 4);
    out[3 * i + 2] = at(n, 3 * i + 2) | ((last & 0x3030_3030) << 2);
  }
});

/** `fill` makes the packed words of the ordered ones, a number a byte. */
function packing(
  bits: number,
  planeWords: readonly number[],
  fill: (ordered: Group, packed: Int32Array) => void,
): Packing {
  const ordered = new Int32Array(groupWords);
  const packed = new Int32Array(planeWords.reduce((sum, words) => sum + words, 0));
  return {
    bits,
    planeWords,
    pack(group) {
      order(group, ordered);
      fill(ordered, packed);
      return packed;
    },
  };
}

/**
 * Of eight neighbours, elements 0, 4, 1, 5 are the bytes of a word and 2, 6, 3, 7 those of the next: so two shifts give four neighbours of
 * 4 bits each, and all widths share the order.
 */
function order(group: Group, ordered: Group): void {
  for (let i = 0; i < groupWords; i += 2) {
    const early = at(group, i);
    const late = at(group, i + 1);
    ordered[i] = lowHalves(early) | (lowHalves(late) << 8);
    ordered[i + 1] = lowHalves(early >>> 16) | (lowHalves(late >>> 16) << 8);
  }
}

/** Bytes 0 and 1 to bytes 0 and 2. */
function lowHalves(word: number): number {
  return (word & 0xff) | ((word & 0xff00) << 8);
}

/** The inverse of packing bits: bit j of `bits` to the lowest bit of byte j. */
export function spreadFourBits(bits: number): number {
  return (bits & 1) | ((bits & 2) << 7) | ((bits & 4) << 14) | ((bits & 8) << 21);
}

function at(words: Int32Array, i: number): number {
  return words[i] as number;
}
