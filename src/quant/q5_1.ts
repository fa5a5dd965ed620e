import type { QuantFormat } from './format.ts';
import { nibbleFormat } from './nibble-blocks.ts';

/** weight = scale · q + minimum, q of 5 bits, 32 weights a block. */
export const q5_1: QuantFormat = nibbleFormat({
  name: 'q5_1',
  ggmlType: 7,
  fifthBit: true,
  minimum: true,
  run: 1,
  held: { long: true },
  value: (q) => q,
});
