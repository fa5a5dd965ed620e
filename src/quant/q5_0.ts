import type { QuantFormat } from './format.ts';
import { nibbleFormat } from './nibble-blocks.ts';

/** weight = scale · (q − 16), 32 weights a block. */
export const q5_0: QuantFormat = nibbleFormat({
  name: 'q5_0',
  ggmlType: 6,
  fifthBit: true,
  minimum: false,
  run: 1,
  held: { long: true },
  value: (q) => q - 16,
});
