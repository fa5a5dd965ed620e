import type { Capabilities } from '../gpu/capabilities.ts';
import type { KernelBinding } from '../gpu/kernel.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';

/** The output projection [rows, heads · headDim] that heads add their summands to: shaders/lib/head-summand.wgsl. */
export interface SummandUse {
  format: QuantFormat;
  rows: number;
  /** `headShares` workgroups take a part of a head's keys each: the summands [heads · headShares, rows], then (maximum, sum) of each. */
  shared?: boolean;
}

/** Parts of a head's keys. */
export const headShares = 2;

/** Elements of `summands`. */
export function summandsLength(heads: number, rows: number, shared: boolean): number {
  return shared ? heads * headShares * (rows + 2) : heads * rows;
}

interface Summing {
  heads: number;
  headDim: number;
  /** `summands` [heads, rows] takes the place of `out`. */
  summand?: SummandUse;
}

export function addsUp({ summand }: Summing): boolean {
  return summand !== undefined;
}

/** Heads of 32, 64 and 128: the groups of a row are a power of two, so that neighbours can add them up. */
export function summandUnsupported(
  { headDim, summand }: Summing,
  { minSubgroupSize }: Capabilities,
): string | null {
  if (!summand) return null;
  const groups = headDim / groupElements;
  return [1, 2, 4].includes(groups) && groups <= minSubgroupSize ? null : `no head of ${headDim}`;
}

/** Workgroups of a head, which share the rows of its summand. */
export function summandParts({ headDim, summand }: Summing, workgroup: number): number {
  return summand ? Math.ceil((summand.rows * headDim) / groupElements / workgroup) : 1;
}

export const summandParams = { output_rows: 'u32', output_row_vec4s: 'u32' } as const;

export function summandParamValues({ heads, headDim, summand }: Summing): {
  output_rows: number;
  output_row_vec4s: number;
} {
  if (!summand) return { output_rows: 0, output_row_vec4s: 0 };
  const { rowBytes } = rowLayout(summand.format, heads * headDim);
  return { output_rows: summand.rows, output_row_vec4s: rowBytes / 16 };
}

export function summandOptions({ headDim, summand }: Summing): {
  choices: Record<string, string>;
  flags: string[];
  constants: Record<string, number>;
} {
  if (!summand) return { choices: {}, flags: [], constants: {} };
  return {
    choices: { quant: summand.format.name },
    flags: ['summands', ...(summand.shared ? ['shares'] : [])],
    constants: { HEAD_COMPONENTS: headDim, ...(summand.shared ? { SHARES: headShares } : {}) },
  };
}

export const summandBindings: readonly KernelBinding<Summing>[] = [
  { name: 'weights', type: 'array<vec4<u32>>', access: 'read', when: addsUp },
  { name: 'summands', type: 'array<f32>', access: 'read_write', when: addsUp },
];
