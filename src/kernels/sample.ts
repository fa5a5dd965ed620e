import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `sample`: logits [vocabulary] → the next token in `state`. */
export interface SampleUse {
  vocabulary: number;
  /** Takes the largest logit after the repetition penalty; the other settings are not read. */
  greedy: boolean;
}

/** Settings of the sampler, as `GenerateOptions` names them. */
export interface SamplerSettings {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  /** Any 32-bit number. */
  seed: number;
}

/** Sampled tokens that stay on the GPU for the host, behind the first token of `state`: step s at s modulo this. */
export const sampledRing = 16;

/** The tokens of steps [first, first + count) out of the ring. */
export function sampledTokens(ring: Uint32Array, first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => ring[(first + i) % sampledRing] ?? 0);
}

/** Bytes of `struct Sampler`, padded to the alignment of uniforms. */
export const samplerBytes = 32;

/** The contents of the sampler's uniform. */
export function packSampler(settings: SamplerSettings): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(samplerBytes));
  view.setFloat32(0, settings.temperature, true);
  view.setFloat32(4, settings.topP, true);
  view.setFloat32(8, settings.minP > 0 ? Math.log(settings.minP) : -1e30, true);
  view.setFloat32(12, settings.repetitionPenalty, true);
  view.setUint32(16, settings.topK, true);
  view.setUint32(20, settings.seed >>> 0, true);
  return new Uint8Array(view.buffer);
}

function variant(workgroup: number): KernelVariant<SampleUse> {
  return {
    name: `${workgroup}`,
    unsupported: (_, { workgroupInvocations, software }) => {
      if (software && workgroup > 256) return 'slower on software adapters';
      return workgroupInvocations < workgroup ? `needs workgroups of ${workgroup}` : null;
    },
    options: (use) => ({
      flags: use.greedy ? ['greedy'] : [],
      // Quads of logits that an invocation has under way at once.
      constants: { WORKGROUP: workgroup, RING: sampledRing, AHEAD: workgroup / 128 },
    }),
    workgroups: () => [1, 1, 1],
  };
}

/** Filters the logits, draws a token and moves the state to the next step. */
export const sample: Kernel<SampleUse> = defineKernel<SampleUse>({
  name: 'sample',
  library: languageShaders,
  shader: 'sampling/sample',
  params: { vocabulary: 'u32' },
  paramValues: (use) => ({ vocabulary: use.vocabulary }),
  bindings: [
    { name: 'logits', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'state', type: 'State', access: 'read_write' },
    { name: 'seen', type: 'array<u32>', access: 'read_write' },
    { name: 'sampler', type: 'Sampler', access: 'uniform' },
  ],
  variants: [256, 1024].map(variant),
  preferred: () => ['1024', '256'],
});
