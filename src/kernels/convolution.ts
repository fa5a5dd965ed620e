import { defineKernel, type Kernel, type KernelVariant, spread } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapStorageFlags, noPlace } from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

export type ConvolutionActivation = 'none' | 'silu' | 'prelu';

/** One use of `convolution`. */
export interface ConvolutionUse {
  storage: MapStorage;
  input: MapPlace;
  /** Of a transposed convolution: twice the input's size. */
  output: MapPlace;
  kernel: number;
  stride: number;
  dilation: number;
  activation: ConvolutionActivation;
  /** 2 × 2 with stride 2, backwards. */
  transposed?: boolean;
  /** Added after the activation; as large as the output. */
  residual?: MapPlace;
}

/** Output groups that the weights have: a transposed convolution has those of its four corners. */
export function weightGroups({ output, transposed }: ConvolutionUse): number {
  return output.groups * (transposed ? 4 : 1);
}

/** The pixels that sums are made for: a transposed convolution makes one sum a corner at each input pixel. */
export function gridOf({ input, output, transposed }: ConvolutionUse): {
  height: number;
  width: number;
} {
  return transposed ? input : output;
}

export function convolutionFlags(use: ConvolutionUse): string[] {
  return [
    ...mapStorageFlags(use.storage),
    ...(use.transposed ? ['transposed'] : []),
    ...(use.activation === 'none' ? [] : [use.activation]),
    ...(use.residual ? ['residual'] : []),
  ];
}

/** The window as the shaders see it: a transposed convolution is 1 × 1 to four times the channels. */
export function convolutionShape(
  use: ConvolutionUse,
): Record<'KERNEL' | 'STRIDE' | 'DILATION' | 'PADDING', number> {
  const kernel = use.transposed ? 1 : use.kernel;
  return {
    KERNEL: kernel,
    STRIDE: use.transposed ? 1 : use.stride,
    DILATION: use.dilation,
    PADDING: Math.floor(kernel / 2) * use.dilation,
  };
}

function needsF16(use: ConvolutionUse, f16: boolean): string | null {
  return use.storage === 'f16' && !f16 ? 'needs shader-f16' : null;
}

function tiled(
  name: string,
  tilePixels: number,
  tileGroups: number,
): KernelVariant<ConvolutionUse> {
  return {
    name,
    unsupported: (use, { f16, workgroupInvocations }) =>
      workgroupInvocations < (tilePixels / 4) * tileGroups
        ? 'needs larger workgroups'
        : needsF16(use, f16),
    options: (use) => ({
      choices: { storage: use.storage },
      flags: ['tiled', ...convolutionFlags(use)],
      constants: {
        TILE_PIXELS: tilePixels,
        TILE_GROUPS: tileGroups,
        DEPTH: 4,
        ...convolutionShape(use),
      },
    }),
    workgroups: (use) => {
      const { height, width } = gridOf(use);
      return [
        Math.ceil((height * width) / tilePixels),
        Math.ceil(weightGroups(use) / tileGroups),
        1,
      ];
    },
  };
}

/** Invocations of a workgroup, and the pixels and groups of four channels that each has. */
const serialWorkgroup = 16;
const [serialPixels, serialGroups] = [4, 2];

/** Runs of pixels, and of channels, that cover the output. */
function serialCounts(use: ConvolutionUse): { places: number; passes: number } {
  const { height, width } = gridOf(use);
  return {
    places: Math.ceil(width / serialPixels) * height,
    passes: Math.ceil(weightGroups(use) / serialGroups),
  };
}

/** Taps whose pixels `quads` loads together: those of a row where neighbouring sums share pixels, else one. */
function rowTaps(use: ConvolutionUse): number {
  const { KERNEL, STRIDE, DILATION } = convolutionShape(use);
  return KERNEL === 3 && STRIDE === 1 && DILATION === 1 ? 3 : 1;
}

/** For software adapters, where loads cost more than products: the invocations of a quad load weights for each other. */
const quads: KernelVariant<ConvolutionUse> = {
  name: 'quads',
  unsupported: (use, { f16, subgroups, minSubgroupSize }) =>
    subgroups && minSubgroupSize >= 4 ? needsF16(use, f16) : 'needs subgroups of at least 4',
  options: (use) => ({
    choices: { storage: use.storage },
    flags: [
      'subgroups',
      'quads',
      ...(rowTaps(use) > 1 ? ['by_rows'] : []),
      ...convolutionFlags(use),
    ],
    constants: {
      WORKGROUP: serialWorkgroup,
      PIXELS: serialPixels,
      ROW_TAPS: rowTaps(use),
      COLUMNS: serialPixels + rowTaps(use) - 1,
      ...convolutionShape(use),
    },
  }),
  workgroups: (use) => {
    const { places, passes } = serialCounts(use);
    return spread(Math.ceil(places / serialWorkgroup) * passes);
  },
};

/** Convolution with bias, activation and residual in one dispatch, from channels to channels of the same arena. */
export const convolution: Kernel<ConvolutionUse> = defineKernel<ConvolutionUse>({
  name: 'convolution',
  library: visionShaders,
  shader: 'conv/convolution',
  params: {
    in_offset: 'u32',
    in_stride: 'u32',
    in_height: 'u32',
    in_width: 'u32',
    in_groups: 'u32',
    out_offset: 'u32',
    out_stride: 'u32',
    out_height: 'u32',
    out_width: 'u32',
    out_groups: 'u32',
    weight_groups: 'u32',
    residual_offset: 'u32',
    residual_stride: 'u32',
  },
  paramValues: (use) => {
    const { input, output, residual = noPlace } = use;
    const grid = gridOf(use);
    return {
      in_offset: input.offset,
      in_stride: input.stride,
      in_height: input.height,
      in_width: input.width,
      in_groups: input.groups,
      out_offset: output.offset,
      out_stride: output.stride,
      out_height: grid.height,
      out_width: grid.width,
      out_groups: output.groups,
      weight_groups: weightGroups(use),
      residual_offset: residual.offset,
      residual_stride: residual.stride,
    };
  },
  bindings: [
    { name: 'arena', type: 'array<MapVec4>', access: 'read_write' },
    { name: 'weights', type: 'array<WeightMat>', access: 'read' },
    { name: 'bias', type: 'array<vec4<f32>>', access: 'read' },
  ],
  variants: [
    {
      name: 'serial',
      unsupported: (use, { f16 }) => needsF16(use, f16),
      options: (use) => ({
        choices: { storage: use.storage },
        flags: convolutionFlags(use),
        constants: { WORKGROUP: serialWorkgroup, ...convolutionShape(use) },
      }),
      workgroups: (use) => {
        const { places, passes } = serialCounts(use);
        return spread(Math.ceil((places * passes) / serialWorkgroup));
      },
    },
    quads,
    tiled('tiled-64x16', 64, 16),
    tiled('tiled-128x8', 128, 8),
    tiled('tiled-128x4', 128, 4),
  ],
  preferred: (use, { software }) => {
    if (software) return ['quads', 'serial'];
    const groups = weightGroups(use);
    const best = groups > 8 ? 'tiled-64x16' : groups > 4 ? 'tiled-128x8' : 'tiled-128x4';
    return [best, 'serial'];
  },
});
