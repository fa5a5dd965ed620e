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

/** Bits `from` … of the numbers of an ordered word, `bits` of them, at bit `to` of each byte. */
type Part = readonly [word: number, from: number, bits: number, to: number];

/** 4 bits: two words' numbers in one. */
export const fourBitPacking: Packing = packing(
  4,
  [4],
  [
    [
      [0, 0, 4, 0],
      [1, 0, 4, 4],
    ],
    [
      [2, 0, 4, 0],
      [3, 0, 4, 4],
    ],
    [
      [4, 0, 4, 0],
      [5, 0, 4, 4],
    ],
    [
      [6, 0, 4, 0],
      [7, 0, 4, 4],
    ],
  ],
);

/** 2 bits: four words' numbers in one. */
export const twoBitPacking: Packing = packing(
  2,
  [2],
  [
    [
      [0, 0, 2, 0],
      [1, 0, 2, 2],
      [2, 0, 2, 4],
      [3, 0, 2, 6],
    ],
    [
      [4, 0, 2, 0],
      [5, 0, 2, 2],
      [6, 0, 2, 4],
      [7, 0, 2, 6],
    ],
  ],
);

/** 3 bits: two words' numbers in one, and in what is left of the bytes the last two words'. */
export const threeBitPacking: Packing = packing(
  3,
  [2, 1],
  [
    [
      [0, 0, 3, 0],
      [1, 0, 3, 3],
      [6, 0, 2, 6],
    ],
    [
      [2, 0, 3, 0],
      [3, 0, 3, 3],
      [7, 0, 2, 6],
    ],
    [
      [4, 0, 3, 0],
      [5, 0, 3, 3],
      [6, 2, 1, 6],
      [7, 2, 1, 7],
    ],
  ],
);

/** 5 bits: five words, and in what is left of their bytes the last three. */
export const fiveBitPacking: Packing = packing(
  5,
  [4, 1],
  [
    [
      [0, 0, 5, 0],
      [5, 0, 3, 5],
    ],
    [
      [1, 0, 5, 0],
      [6, 0, 3, 5],
    ],
    [
      [2, 0, 5, 0],
      [7, 0, 3, 5],
    ],
    [
      [3, 0, 5, 0],
      [5, 3, 2, 5],
      [7, 3, 1, 7],
    ],
    [
      [4, 0, 5, 0],
      [6, 3, 2, 5],
      [7, 4, 1, 7],
    ],
  ],
);

/** 6 bits: six words, and in what is left of their bytes the last two. */
export const sixBitPacking: Packing = packing(
  6,
  [4, 2],
  [
    [
      [0, 0, 6, 0],
      [6, 0, 2, 6],
    ],
    [
      [1, 0, 6, 0],
      [6, 2, 2, 6],
    ],
    [
      [2, 0, 6, 0],
      [6, 4, 2, 6],
    ],
    [
      [3, 0, 6, 0],
      [7, 0, 2, 6],
    ],
    [
      [4, 0, 6, 0],
      [7, 2, 2, 6],
    ],
    [
      [5, 0, 6, 0],
      [7, 4, 2, 6],
    ],
  ],
);

/** `words`: what each packed word is made of. */
function packing(
  bits: number,
  planeWords: readonly number[],
  words: readonly (readonly Part[])[],
): Packing {
  const ordered = new Int32Array(groupWords);
  const packed = new Int32Array(words.length);
  return {
    bits,
    planeWords,
    pack(group) {
      order(group, ordered);
      words.forEach((parts, w) => {
        let word = 0;
        for (const [from, low, width, to] of parts) {
          word |= ((wordOf(ordered, from) >>> low) & (0x0101_0101 * (2 ** width - 1))) << to;
        }
        packed[w] = word;
      });
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
    const early = wordOf(group, i);
    const late = wordOf(group, i + 1);
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

function wordOf(words: Int32Array, i: number): number {
  return words[i] as number;
}
