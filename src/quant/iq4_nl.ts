import type { QuantFormat } from './format.ts';
import { nibbleFormat } from './nibble-blocks.ts';
import { fourPlanePacking } from './pack.ts';

/** The sixteen levels, denser around zero. */
const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** weight = scale · levels[q], 32 weights a block. */
export const iq4_nl: QuantFormat = nibbleFormat({
  name: 'iq4_nl',
  ggmlType: 20,
  fifthBit: false,
  minimum: false,
  run: 1,
  pairs: true,
  many: true,
  packing: fourPlanePacking,
  value: (q) => levels[q] as number,
});
