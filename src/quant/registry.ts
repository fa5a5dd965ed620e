import { VitrailError } from '../errors.ts';
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import type { QuantFormat } from './format.ts';
import { iq4_nl } from './iq4_nl.ts';
import { q2_k } from './q2_k.ts';
import { q3_k } from './q3_k.ts';
import { q4_0 } from './q4_0.ts';
import { q4_1 } from './q4_1.ts';
import { q4_k } from './q4_k.ts';
import { q5_0 } from './q5_0.ts';
import { q5_1 } from './q5_1.ts';
import { q5_k } from './q5_k.ts';
import { q6_k } from './q6_k.ts';
import { q8_0 } from './q8_0.ts';

/** Every storage format that Vitrail reads. */
export const quantFormats: readonly QuantFormat[] = [
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
];

const byName = new Map(quantFormats.map((format) => [format.name, format]));
const byGgmlType = new Map(quantFormats.map((format) => [format.ggmlType, format]));

/** The format of that name. Throws `model-unsupported` with the names that there are. */
export function quantFormat(name: string): QuantFormat {
  const format = byName.get(name);
  if (format) return format;
  throw new VitrailError('model-unsupported', `The storage format '${name}' is not supported.`, {
    where: 'quant/registry',
    fix: `Use a file in one of: ${supportedFormats()}.`,
    detail: { format: name },
  });
}

/** The format of a type number of GGUF files. */
export function quantFormatByGgmlType(type: number): QuantFormat | undefined {
  return byGgmlType.get(type);
}

/** `F32, F16, BF16, Q4_0, …` for messages. */
export function supportedFormats(): string {
  return quantFormats.map(({ name }) => name.toUpperCase()).join(', ');
}
