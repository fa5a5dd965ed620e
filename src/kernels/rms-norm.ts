import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { groupElements } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `rms-norm`: rows of x [tokens, columns], each padded to a multiple of 32 elements. */
export interface RmsNormUse {
  columns: number;
  epsilon: number;
  /** y += instead of y =. */
  residual?: boolean;
  /** How y is stored; single precision by default. */
  y?: 'f32' | 'f16';
}

function variant(
  name: string,
  reduce: 'none' | 'workgroup' | 'subgroup' | 'shuffle',
  workgroup: number,
  lanes: number,
): KernelVariant<RmsNormUse> {
  return {
    name,
    unsupported: (_, { subgroups, minSubgroupSize }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      if (reduce === 'shuffle' && minSubgroupSize < lanes) return `needs subgroups of ${lanes}`;
      return null;
    },
    options: (use) => ({
      choices: { reduce, y: use.y ?? 'f32' },
      flags: [
        ...(reduce === 'subgroup' || reduce === 'shuffle' ? ['subgroups'] : []),
        ...(use.residual ? ['residual'] : []),
      ],
      constants: { WORKGROUP: workgroup, LANES: lanes, SUMS: 1 },
    }),
    workgroups: (_, tokens) => [Math.ceil((tokens * lanes) / workgroup), 1, 1],
  };
}

/** Root-mean-square normalization of each row. */
export const rmsNorm: Kernel<RmsNormUse> = defineKernel<RmsNormUse>({
  name: 'rms-norm',
  library: languageShaders,
  shader: 'norm/rms-norm',
  params: { columns: 'u32', stride_vec4s: 'u32', epsilon: 'f32' },
  paramValues: (use) => ({
    columns: use.columns,
    stride_vec4s: (Math.ceil(use.columns / groupElements) * groupElements) / 4,
    epsilon: use.epsilon,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'norm_weight', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'y', type: 'array<Stored>', access: 'read_write' },
  ],
  variants: [
    variant('serial', 'none', 16, 1),
    variant('workgroup', 'workgroup', 128, 128),
    variant('subgroup', 'subgroup', 128, 128),
    variant('shuffle', 'shuffle', 128, 32),
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    return [...(use.columns <= 1024 ? ['shuffle'] : []), 'subgroup', 'workgroup'];
  },
});
