/**
 * How the numbers of a group (32 weights) lie in the GPU layout; see ADR 0003. A group comes as eight words with one number a byte:
 * element 4i + j in byte j of word i. Each function packs the bits from `shift` on, word by word.
 */
export type Group = Int32Array;

/** A way to cut bits out of a group's numbers and pack them. */
export interface Packing {
  /** Bits of each number. */
  bits: number;
  groupBytes: number;
  pack(group: Group, shift: number, out: DataView, at: number): void;
}

/** 8 bits each: element e at byte e. */
export const bytePacking: Packing = {
  bits: 8,
  groupBytes: 32,
  pack(group, _shift, out, at) {
    for (let i = 0; i < 8; i += 1) out.setInt32(at + 4 * i, word(group, i), true);
  },
};

/**
 * 4, 2 or 1 bits each. Of eight neighbours, elements 0, 4, 1, 5 are the lowest bits of the four bytes of a word, and 2, 6, 3, 7 the bits above
 * them; the next eight follow above those, then comes the next word. So a shift and a mask give four numbers as bytes, in an order that all
 * widths share, and two shifts give four neighbours.
 */
function packing(bits: 1 | 2 | 4): Packing {
  const eightsOfWord = 4 / bits;
  return {
    bits,
    groupBytes: 4 * bits,
    pack(group, shift, out, at) {
      for (let w = 0; w < bits; w += 1) {
        let packed = 0;
        for (let k = 0; k < eightsOfWord; k += 1) {
          const eight = w * eightsOfWord + k;
          const early = fourNumbers(word(group, 2 * eight) >>> shift, bits);
          const late = fourNumbers(word(group, 2 * eight + 1) >>> shift, bits);
          packed |= (early | (late << 8)) << (2 * bits * k);
        }
        out.setInt32(at + 4 * w, packed, true);
      }
    },
  };
}

export const nibblePacking: Packing = packing(4);
export const pairPacking: Packing = packing(2);
export const bitPacking: Packing = packing(1);

/** Numbers 0, 1, 2, 3 of a word to bits 0, 16, `bits`, 16 + `bits`. */
function fourNumbers(numbers: number, bits: number): number {
  const mask = (1 << bits) - 1;
  return (
    (numbers & mask) |
    (((numbers >>> 8) & mask) << 16) |
    (((numbers >>> 16) & mask) << bits) |
    (((numbers >>> 24) & mask) << (16 + bits))
  );
}

/** The inverse of packing bits: bit j of `bits` to the lowest bit of byte j. */
export function spreadFourBits(bits: number): number {
  return (bits & 1) | ((bits & 2) << 7) | ((bits & 4) << 14) | ((bits & 8) << 21);
}

function word(group: Group, i: number): number {
  return group[i] as number;
}
