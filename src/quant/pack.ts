/**
 * The order of small numbers in the GPU layout, group by group (32 weights). Chosen so that a shader takes neighbouring
 * weights out of one word by two shifts; see ADR 0003.
 */

/** 32 numbers of 4 bits → 16 bytes: element 8w + 2j at bits 4j of word w, element 8w + 2j + 1 at bits 16 + 4j. */
export function packNibbles(values: Uint8Array, out: Uint8Array, at: number): void {
  for (let word = 0; word < 4; word += 1) {
    const e = word * 8;
    const o = at + word * 4;
    out[o] = (values[e] as number) | ((values[e + 2] as number) << 4);
    out[o + 1] = (values[e + 4] as number) | ((values[e + 6] as number) << 4);
    out[o + 2] = (values[e + 1] as number) | ((values[e + 3] as number) << 4);
    out[o + 3] = (values[e + 5] as number) | ((values[e + 7] as number) << 4);
  }
}

/** 32 numbers of 2 bits → 8 bytes: element e at bits 2·(e mod 16) of word e / 16. */
export function packPairs(values: Uint8Array, out: Uint8Array, at: number): void {
  for (let byte = 0; byte < 8; byte += 1) {
    const e = byte * 4;
    out[at + byte] =
      (values[e] as number) |
      ((values[e + 1] as number) << 2) |
      ((values[e + 2] as number) << 4) |
      ((values[e + 3] as number) << 6);
  }
}

/** 32 bits → 4 bytes: element e at bit e. */
export function packBits(values: Uint8Array, out: Uint8Array, at: number): void {
  for (let byte = 0; byte < 4; byte += 1) {
    let bits = 0;
    for (let i = 0; i < 8; i += 1) bits |= (values[byte * 8 + i] as number) << i;
    out[at + byte] = bits;
  }
}
