import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/**
 * One use of `splat-project`: one object of a scene. What differs from object to object alone stands in the uniform `Frame`, so that
 * all with one kind of rig share a pipeline.
 */
export interface SplatProjectUse {
  /** Splats of this object, at most. */
  count: number;
  shDegree: 0 | 1 | 2 | 3;
  /** Joints of the rig that move splats; left out: the object is rigid. */
  joints?: number;
}

/** 32-bit words of the uniform `Frame`: 20 floats; splats that are drawn, where they begin in the scene, the highest key. */
export const projectFrameWords: number = 24;

/** Words of a splat's spherical harmonics beyond band 0, as pairs of halves. */
export function shWords(shDegree: number): number {
  return Math.ceil((((shDegree + 1) ** 2 - 1) * 3) / 2);
}

/** The highest depth key marks what is not visible. */
export function hiddenKey(keyBits: number): number {
  return 2 ** keyBits - 1;
}

const workgroup = 64;

/** Morph, linear blend skinning, projection, culling and depth keys in one pass. */
export const splatProject: Kernel<SplatProjectUse> = defineKernel<SplatProjectUse>({
  name: 'splat-project',
  library: splatShaders,
  shader: 'splats/splat-project',
  params: {},
  paramValues: () => ({}),
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
