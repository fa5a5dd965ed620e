import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { wholeGroups } from '../quant/format.ts';
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
  reduce: 'none' | 'workgroup' | 'subgroup',
  workgroup: number,
): KernelVariant<RmsNormUse> {
  const lanes = reduce === 'none' ? 1 : workgroup;
  return {
    name,
    unsupported: (_, { subgroups }) =>
      reduce === 'subgroup' && !subgroups ? 'needs subgroups' : null,
    options: (use) => ({
      choices: { reduce, y: use.y ?? 'f32' },
      flags: [
        ...(reduce === 'subgroup' ? ['subgroups'] : []),
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
    stride_vec4s: wholeGroups(use.columns) / 4,
    epsilon: use.epsilon,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'norm_weight', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'y', type: 'array<Stored>', access: 'read_write' },
  ],
  variants: [
    variant('serial', 'none', 16),
    variant('workgroup', 'workgroup', 128),
    variant('subgroup', 'subgroup', 128),
  ],
  preferred: (_, { software }) => (software ? ['serial'] : ['subgroup', 'workgroup']),
});
