import { nibbleFormat } from './blocks-of-32.ts';
import type { QuantFormat } from './format.ts';

/** weight = scale · q + minimum, q of 5 bits, 32 weights a block. */
export const q5_1: QuantFormat = nibbleFormat({
  name: 'q5_1',
  ggmlType: 7,
  fifthBit: true,
  minimum: true,
  value: (q) => q,
});
