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

/** 4 bits each: element 8w + 2j at bits 4j of word w, element 8w + 2j + 1 at bits 16 + 4j: two shifts give four neighbours. */
export const nibblePacking: Packing = {
  bits: 4,
  groupBytes: 16,
  pack(group, shift, out, at) {
    for (let w = 0; w < 4; w += 1) {
      const early = fourNibbles(word(group, 2 * w) >>> shift);
      const late = fourNibbles(word(group, 2 * w + 1) >>> shift);
      out.setInt32(at + 4 * w, early | (late << 8), true);
    }
  },
};

/** 2 bits each: element e at bits 2·(e mod 16) of word e / 16. */
export const pairPacking: Packing = {
  bits: 2,
  groupBytes: 8,
  pack(group, shift, out, at) {
    for (let i = 0; i < 8; i += 1) out.setInt8(at + i, fourPairs(word(group, i) >>> shift));
  },
};

/** 1 bit each: element e at bit e of the word. */
export const bitPacking: Packing = {
  bits: 1,
  groupBytes: 4,
  pack(group, shift, out, at) {
    let packed = 0;
    for (let i = 0; i < 8; i += 1) packed |= fourBits(word(group, i) >>> shift) << (4 * i);
    out.setInt32(at, packed, true);
  },
};

/** Numbers 0, 1, 2, 3 of a word to bits 0, 16, 4, 20. */
function fourNibbles(numbers: number): number {
  return (
    (numbers & 0xf) |
    ((numbers << 8) & 0xf_0000) |
    ((numbers >>> 12) & 0xf0) |
    ((numbers >>> 4) & 0xf0_0000)
  );
}

function fourPairs(numbers: number): number {
  return (
    (numbers & 3) | ((numbers >>> 6) & 0xc) | ((numbers >>> 12) & 0x30) | ((numbers >>> 18) & 0xc0)
  );
}

function fourBits(numbers: number): number {
  return (numbers & 1) | ((numbers >>> 7) & 2) | ((numbers >>> 14) & 4) | ((numbers >>> 21) & 8);
}

/** The inverse of packing bits: bit j of `bits` to the lowest bit of byte j. */
export function spreadFourBits(bits: number): number {
  return (bits & 1) | ((bits & 2) << 7) | ((bits & 4) << 14) | ((bits & 8) << 21);
}

function word(group: Group, i: number): number {
  return group[i] as number;
}
