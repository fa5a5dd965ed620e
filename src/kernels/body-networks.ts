import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/** One use of `body-networks`: a body in a picture. */
export interface BodyNetworksUse {
  /** Of the picture. */
  width: number;
  height: number;
  /** Width and height of the pictures of training, and what the texture reaches beyond them on each side: pixels. */
  image: number;
  pad: number;
  /** Octaves of the encoded position. */
  octaves: number;
  /** Latents in pairs of channels, and texels a side. */
  latentPairs: number;
  latentSize: number;
  /** Units of a hidden layer: a multiple of `unitStep`, at most `mostUnits`. */
  hidden: number;
}

/** Units that an invocation sums. */
const units = 8;
/** Quads of pixels of a workgroup. */
const quads = 8;
/** An invocation for each unit makes whole groups of quads. */
export const unitStep: number = 32;
/** So many fill the workgroup memory that every adapter has. */
export const mostUnits: number = 128;
/** Floats of the uniform `Frame` before the biases: two homographies in rows of four floats, the reach and the size. */
export const networkFrameHead: number = 32;

/** Rows that the first layers see: the encoded position, and the latents. */
export function firstRows({ octaves, latentPairs }: BodyNetworksUse): {
  warp: number;
  fine: number;
} {
  return { warp: 2 + 4 * octaves, fine: 2 * latentPairs };
}

/** The body of an avatar through its networks, a picture of colour and straight alpha. */
export const bodyNetworks: Kernel<BodyNetworksUse> = defineKernel<BodyNetworksUse>({
  name: 'body-networks',
  library: splatShaders,
  shader: 'splats/body-networks',
  params: {
    image: 'f32',
    pad: 'f32',
    coarse_size: 'u32',
    latent_size: 'u32',
  },
  paramValues: (use) => ({
    image: use.image,
    pad: use.pad,
    coarse_size: use.image + 2 * use.pad,
    latent_size: use.latentSize,
  }),
  bindings: [
    { name: 'frame', type: 'Frame', access: 'uniform' },
    { name: 'weights', type: 'array<mat2x4<f32>>', access: 'read' },
    { name: 'coarse', type: 'array<u32>', access: 'read' },
    { name: 'latents', type: 'array<u32>', access: 'read' },
    { name: 'image', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        constants: {
          HIDDEN: use.hidden,
          UNITS: units,
          OCTAVES: use.octaves,
          LATENT_PAIRS: use.latentPairs,
          FRAME_EIGHTS: (2 * use.hidden) / units,
          ROWS_OF_QUADS: Math.max(use.hidden, firstRows(use).warp, firstRows(use).fine) * quads,
        },
      }),
      workgroups: ({ width, height }) => [Math.ceil(width / 8), Math.ceil(height / 4), 1],
    },
  ],
  preferred: () => ['plain'],
});
