import { nibbleFormat } from './blocks-of-32.ts';
import type { QuantFormat } from './format.ts';

/** weight = scale · q + minimum, 32 weights a block. */
export const q4_1: QuantFormat = nibbleFormat({
  name: 'q4_1',
  ggmlType: 3,
  fifthBit: false,
  minimum: true,
  value: (q) => q,
});
