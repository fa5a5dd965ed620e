import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import {
  type ConvolutionUse,
  convolution,
  convolutionFlags,
  convolutionShape,
  gridOf,
  weightGroups,
  windowUnsupported,
} from './convolution.ts';
import { fragmentChannels as edge } from './convolution-fragments.ts';
import { matrixUnsupported } from './matrix-support.ts';

/** How a workgroup's subgroups share its outputs. */
interface MatrixTile {
  /** Subgroups along the pixels, along the output channels, and along the input channels. */
  subgroups: readonly [pixels: number, outputs: number, splits: number];
  /** Fragments of a subgroup: times 16 pixels, times 16 output channels. */
  fragments: readonly [pixels: number, outputs: number];
  /** Blocks of 16 input channels that a subgroup takes from each patch. */
  depth: number;
}

/** Pixels of the map, border included, that a workgroup's fragments read. */
function patchPixels(use: ConvolutionUse, { subgroups, fragments }: MatrixTile): number {
  const { KERNEL, STRIDE } = convolutionShape(use);
  const rows = subgroups[0] * fragments[0];
  if (KERNEL === 1) return rows * edge;
  return ((edge - 1) * STRIDE + KERNEL) * ((rows - 1) * STRIDE + KERNEL);
}

/** Bytes of workgroup memory: the patch in halves, the sums in single precision. */
function workgroupBytes(use: ConvolutionUse, tile: MatrixTile): number {
  const [pixelSubgroups, outputSubgroups, splits] = tile.subgroups;
  const [m, n] = tile.fragments;
  const patch = patchPixels(use, tile) * splits * (4 * tile.depth + 2) * 8;
  return patch + splits * pixelSubgroups * m * edge * (outputSubgroups * n * 4 + 2) * 16;
}

function matrix(name: string, tile: MatrixTile): KernelVariant<ConvolutionUse> {
  const [pixelSubgroups, outputSubgroups, splits] = tile.subgroups;
  const [m, n] = tile.fragments;
  const pixelFragments = pixelSubgroups * m;
  const workgroup = pixelSubgroups * outputSubgroups * splits * 32;
  return {
    name,
    unsupported: (use, capabilities) => {
      const blocks = Math.ceil(use.input.groups / 4);
      if (splits * tile.depth > blocks) return 'needs more input channels';
      if (workgroupBytes(use, tile) > capabilities.workgroupStorageBytes) {
        return 'needs more workgroup memory';
      }
      return convolutionMatrixUnsupported(use, capabilities);
    },
    options: (use) => {
      const { KERNEL, STRIDE } = convolutionShape(use);
      return {
        flags: [
          'f16',
          'subgroups',
          'subgroup_matrix',
          ...(KERNEL === 1 ? ['flat'] : []),
          ...convolutionFlags(use).filter((flag) => flag !== 'f16'),
        ],
        constants: {
          PIXEL_SUBGROUPS: pixelSubgroups,
          OUTPUT_SUBGROUPS: outputSubgroups,
          SPLITS: splits,
          M_FRAGMENTS: m,
          N_FRAGMENTS: n,
          DEPTH: tile.depth,
          KERNEL,
          STRIDE,
          TAPS: KERNEL ** 2,
          PATCH_LOADS: Math.ceil((patchPixels(use, tile) * 4 * splits * tile.depth) / workgroup),
        },
      };
    },
    workgroups: (use) => {
      const { height, width } = gridOf(use);
      const flat = convolutionShape(use).KERNEL === 1;
      const tiles = flat
        ? Math.ceil((height * width) / (pixelFragments * edge))
        : Math.ceil(width / edge) * Math.ceil(height / pixelFragments);
      return [tiles, Math.ceil(weightGroups(use) / (4 * outputSubgroups * n)), 1];
    },
  };
}

/** Why subgroup matrices cannot do a convolution on this adapter, or null. */
function convolutionMatrixUnsupported(
  use: ConvolutionUse,
  capabilities: Capabilities,
): string | null {
  if (use.storage !== 'f16') return 'reads halves';
  if (use.dilation !== 1) return 'reads neighbouring pixels';
  return windowUnsupported(use) ?? matrixUnsupported(capabilities);
}

/** Does a network run a convolution by subgroup matrices here? Its weights then stand as fragments. */
export function convolvesByMatrices(use: ConvolutionUse, capabilities: Capabilities): boolean {
  return convolutionMatrixUnsupported(use, capabilities) === null;
}

/** Best first. Small maps split their input channels among subgroups; large ones have pixels enough. */
function preferredTiles(use: ConvolutionUse): string[] {
  const { height, width } = gridOf(use);
  const blocks = Math.ceil(weightGroups(use) / 4);
  const pixels = height * width;
  const last = ['64x16', '16x16-split4'];
  if (pixels <= 1024) return ['16x32-split4', '32x32-split2', ...last];
  if (pixels <= 4096) return ['32x32-split4', '32x32-split2', ...last];
  if (blocks === 1) return ['128x16', ...last];
  return [blocks === 2 ? '128x32' : '64x64', ...last];
}

/** `convolution` by subgroup matrices, on adapters that have them. Its weights stand as fragments (`convolution-fragments.ts`). */
export const convolutionMatrix: Kernel<ConvolutionUse> = defineKernel<ConvolutionUse>({
  name: 'convolution-matrix',
  library: convolution.library,
  shader: 'conv/convolution-matrix',
  params: convolution.params,
  paramValues: convolution.paramValues,
  bindings: [
    { name: 'arena', type: 'array<MapVec4>', access: 'read_write' },
    { name: 'weights', type: 'array<Fragment>', access: 'read' },
    { name: 'bias', type: 'array<vec4<f32>>', access: 'read' },
  ],
  variants: [
    matrix('64x16', { subgroups: [4, 1, 1], fragments: [1, 1], depth: 1 }),
    matrix('128x16', { subgroups: [4, 1, 1], fragments: [2, 1], depth: 1 }),
    matrix('64x32', { subgroups: [4, 1, 1], fragments: [1, 2], depth: 1 }),
    matrix('128x32', { subgroups: [4, 1, 1], fragments: [2, 2], depth: 1 }),
    matrix('64x64', { subgroups: [2, 2, 1], fragments: [2, 2], depth: 1 }),
    matrix('128x64', { subgroups: [4, 1, 1], fragments: [2, 4], depth: 1 }),
    matrix('64x64-deep', { subgroups: [2, 2, 1], fragments: [2, 2], depth: 2 }),
    matrix('32x32-split2', { subgroups: [2, 1, 2], fragments: [1, 2], depth: 1 }),
    matrix('64x32-split2', { subgroups: [2, 1, 2], fragments: [2, 2], depth: 1 }),
    matrix('16x16-split4', { subgroups: [1, 1, 4], fragments: [1, 1], depth: 1 }),
    matrix('16x32-split4', { subgroups: [1, 1, 4], fragments: [1, 2], depth: 1 }),
    matrix('32x32-split4', { subgroups: [1, 1, 4], fragments: [2, 2], depth: 1 }),
    matrix('32x32-split4-deep', { subgroups: [1, 1, 4], fragments: [2, 2], depth: 2 }),
    matrix('32x32-split8', { subgroups: [1, 1, 8], fragments: [2, 2], depth: 1 }),
  ],
  preferred: preferredTiles,
});
