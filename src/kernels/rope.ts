import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { WholeKv } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import { turnsWholeUnits, unitRows } from './turn-quads.ts';

/** One use of `rope`: qkv [tokens, heads + 2·kvHeads, headDim] → queries, K cache, V cache [kvHeads, contextLength, headDim]. */
export interface RopeUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  ropeDimensions: number;
  interleaved: boolean;
  kv: WholeKv;
  /** Keys and values are put where they stand in the pass: on their way to the cache. */
  staged?: boolean;
  /** RMSNorm of each query and key head before the rotation, with this epsilon. */
  headNormEpsilon?: number;
}

const workgroup = 256;

/** Rotates queries and keys and fills the KV cache. */
export const rope: Kernel<RopeUse> = defineKernel<RopeUse>({
  name: 'rope',
  library: languageShaders,
  shader: 'attention/rope',
  params: {
    heads: 'u32',
    kv_heads: 'u32',
    context_length: 'u32',
    rope_dimensions: 'u32',
    epsilon: 'f32',
  },
  paramValues: (use) => ({
    heads: use.heads,
    kv_heads: use.kvHeads,
    context_length: use.contextLength,
    rope_dimensions: use.ropeDimensions,
    epsilon: use.headNormEpsilon ?? 0,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'qkv', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'k_cache', type: 'array<Stored>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Stored>', access: 'read_write' },
    { name: 'q_norm', type: 'array<vec4<f32>>', access: 'read', when: hasHeadNorm },
    { name: 'k_norm', type: 'array<vec4<f32>>', access: 'read', when: hasHeadNorm },
  ],
  variants: [
    variant('units', unitRows, (use) => (turnsWholeUnits(use) ? null : 'turns units of eight')),
    variant('plain', 4, () => null),
  ],
  preferred: () => ['units', 'plain'],
});

/** An invocation takes `components` of a head. */
function variant(
  name: string,
  components: number,
  unsupported: KernelVariant<RopeUse>['unsupported'],
): KernelVariant<RopeUse> {
  return {
    name,
    unsupported,
    options: (use) => ({
      choices: { kv: use.kv },
      flags: [
        ...(name === 'units' ? ['units'] : []),
        ...(use.interleaved ? ['interleaved'] : []),
        ...(use.staged ? ['staged'] : []),
        ...(hasHeadNorm(use) ? ['head_norm'] : []),
      ],
      constants: { WORKGROUP: workgroup, HEAD_DIM_VEC4S: use.headDim / 4 },
    }),
    workgroups: (use, tokens) => {
      const taken = (use.heads + 2 * use.kvHeads) * (use.headDim / components);
      return [Math.ceil(taken / workgroup), 1, tokens];
    },
  };
}

function hasHeadNorm(use: RopeUse): boolean {
  return use.headNormEpsilon !== undefined;
}
