import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/** One use of `splat-project`: one object of a scene. */
export interface SplatProjectUse {
  /** Splats of this object. */
  count: number;
  /** Where its splats begin in the cache and the keys of the scene. */
  first: number;
  shDegree: 0 | 1 | 2 | 3;
  /** Joints of the rig that move splats; left out: the object is rigid. */
  joints?: number;
  /** Bits of a depth key. The highest key marks what is not visible. */
  keyBits: number;
}

/** Bytes of the uniform `Frame`. */
export const projectFrameBytes: number = 80;

/** Words of a splat's spherical harmonics beyond band 0, as pairs of halves. */
export function shWords(shDegree: number): number {
  return Math.ceil((((shDegree + 1) ** 2 - 1) * 3) / 2);
}

export function hiddenKey(keyBits: number): number {
  return 2 ** keyBits - 1;
}

const workgroup = 64;

/** Morph, linear blend skinning, projection, culling and depth keys in one pass. */
export const splatProject: Kernel<SplatProjectUse> = defineKernel<SplatProjectUse>({
  name: 'splat-project',
  library: splatShaders,
  shader: 'splats/splat-project',
  params: { count: 'u32', first: 'u32', hidden_key: 'u32' },
  paramValues: (use) => ({
    count: use.count,
    first: use.first,
    hidden_key: hiddenKey(use.keyBits),
  }),
  bindings: [
    { name: 'frame', type: 'Frame', access: 'uniform' },
    { name: 'splats', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'sh', type: 'array<u32>', access: 'read', when: ({ shDegree }) => shDegree > 0 },
    { name: 'skin', type: 'array<vec4<u32>>', access: 'read', when: isRigged },
    { name: 'morphs', type: 'array<vec2<u32>>', access: 'read', when: isRigged },
    { name: 'pose', type: 'array<vec4<f32>>', access: 'read', when: isRigged },
    { name: 'cache', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'keys', type: 'array<u32>', access: 'read_write' },
    { name: 'draw', type: 'array<atomic<u32>>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        flags: [...(isRigged(use) ? ['rigged'] : []), ...(use.shDegree > 0 ? ['sh'] : [])],
        constants: {
          WORKGROUP: workgroup,
          ...(use.shDegree > 0 ? { SH_DEGREE: use.shDegree, SH_WORDS: shWords(use.shDegree) } : {}),
          ...(isRigged(use) ? { JOINTS: use.joints ?? 0 } : {}),
        },
      }),
      workgroups: ({ count }) => spread(Math.ceil(count / workgroup)),
    },
  ],
  preferred: () => ['plain'],
});

function isRigged({ joints }: SplatProjectUse): boolean {
  return joints !== undefined;
}
