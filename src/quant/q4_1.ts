import type { QuantFormat } from './format.ts';
import { nibbleFormat } from './nibble-blocks.ts';

/** weight = scale · q + minimum, 32 weights a block. */
export const q4_1: QuantFormat = nibbleFormat({
  name: 'q4_1',
  ggmlType: 3,
  fifthBit: false,
  minimum: true,
  half: 'scaled',
  run: 1,
  held: { long: true },
  value: (q) => q,
});
