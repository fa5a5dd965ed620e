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
  /** Backwards, with stride 2: 2 × 2, or 4 × 4 and an input pixel less at each border, with a bias for each border (`biasesOf`). */
  transposed?: boolean;
  /** Added after the activation; as large as the output. */
  residual?: MapPlace;
  /** The residual is half as high and wide: each of its pixels is added to four, before the activation. */
  grows?: boolean;
}

/** Output groups that the weights have: a transposed convolution has those of its four corners. */
export function weightGroups({ output, transposed }: ConvolutionUse): number {
  return output.groups * (transposed ? 4 : 1);
}

/**
 * Biases of a channel: of a 4 × 4 transposed convolution nine, for the pixels of the first row, of the middle and of the last one, each in
 * the first column, the middle and the last one. What it is made of may have a bias in the taps that lie outside the map.
 */
export function biasesOf(use: ConvolutionUse): number {
  return isWindowed(use) ? 9 : 1;
}

/** Does a transposed convolution read more than one pixel for an output? */
function isWindowed({ kernel, transposed }: ConvolutionUse): boolean {
  return transposed === true && kernel > 2;
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
    ...(isWindowed(use) ? ['windowed'] : []),
    ...(use.activation === 'none' ? [] : [use.activation]),
    ...(use.residual ? [use.grows ? 'grows' : 'residual'] : []),
  ];
}

/** The window as the shaders see it: a transposed convolution is half as wide, to four times the channels. */
export function convolutionShape(
  use: ConvolutionUse,
): Record<'KERNEL' | 'STRIDE' | 'DILATION' | 'PADDING', number> {
  const kernel = use.transposed ? use.kernel / 2 : use.kernel;
  return {
    KERNEL: kernel,
    STRIDE: use.transposed ? 1 : use.stride,
    DILATION: use.dilation,
    PADDING: Math.floor(kernel / 2) * use.dilation,
  };
}

/** Why a variant that has outputs of several corners at a time cannot do it: their windows differ. */
export function windowUnsupported(use: ConvolutionUse): string | null {
  return isWindowed(use) ? 'has one window for all outputs' : null;
}

function needsF16(use: ConvolutionUse, f16: boolean): string | null {
  return use.storage === 'f16' && !f16 ? 'needs shader-f16' : null;
}

/** Pixels and groups of four channels that a workgroup of `tiled` makes, and those that each of its 64 invocations has of them. */
interface Tile {
  tile: readonly [pixels: number, groups: number];
  own: readonly [pixels: number, groups: number];
}

/** Large ones first: they read the least from workgroup memory for a product. */
const tiles: readonly Tile[] = [
  { tile: [64, 16], own: [8, 2] },
  { tile: [64, 8], own: [4, 2] },
  { tile: [32, 8], own: [4, 1] },
  { tile: [64, 4], own: [4, 1] },
  { tile: [64, 2], own: [2, 1] },
];
/** Workgroups that keep a GPU busy. */
const enoughWorkgroups = 96;

function tileName({ tile: [pixels, groups] }: Tile): string {
  return `tiled-${pixels}x${groups}`;
}

function tileCounts(use: ConvolutionUse, { tile: [pixels, groups] }: Tile): [number, number] {
  const { height, width } = gridOf(use);
  return [Math.ceil((height * width) / pixels), Math.ceil(weightGroups(use) / groups)];
}

/** The largest tile that wastes no groups and gives workgroups enough; small maps have small tiles. */
function preferredTile(use: ConvolutionUse): Tile | undefined {
  const fitting = tiles.filter(({ tile }) => tile[1] <= Math.max(2, weightGroups(use)));
  const enough = fitting.find((tile) => {
    const [across, down] = tileCounts(use, tile);
    return across * down >= enoughWorkgroups;
  });
  return enough ?? fitting.find(({ tile }) => tile[0] === 32) ?? fitting[0];
}

function tiled(tile: Tile): KernelVariant<ConvolutionUse> {
  const [tilePixels, tileGroups] = tile.tile;
  const [pixels, groups] = tile.own;
  return {
    name: tileName(tile),
    unsupported: (use, { f16 }) => windowUnsupported(use) ?? needsF16(use, f16),
    options: (use) => ({
      choices: { storage: use.storage },
      flags: ['tiled', ...convolutionFlags(use)],
      constants: {
        TILE_PIXELS: tilePixels,
        TILE_GROUPS: tileGroups,
        PIXELS: pixels,
        GROUPS: groups,
        DEPTH: 4,
        ...convolutionShape(use),
      },
    }),
    workgroups: (use) => [...tileCounts(use, tile), 1],
  };
}

/** How an output is shared among invocations without barriers: each has pixels of a row, and groups of four channels. */
function rowTile(use: ConvolutionUse) {
  const { KERNEL, STRIDE, DILATION } = convolutionShape(use);
  const { height, width } = gridOf(use);
  const allGroups = weightGroups(use);
  // Those of a window are of one corner.
  const fits = (count: number): boolean =>
    isWindowed(use) ? use.output.groups % count === 0 : count <= allGroups;
  const groups = [4, 2].find(fits) ?? 1;
  const pixels = runLength(width);
  const places = Math.ceil(width / pixels) * height;
  const workgroup = places < 128 ? 4 : 16;
  // The pixels below a row of taps are loaded together where they are neighbours.
  const rowTaps = DILATION === 1 ? KERNEL : 1;
  const columnStep = rowTaps > 1 ? 1 : STRIDE;
  return {
    workgroups: Math.ceil(places / workgroup) * Math.ceil(allGroups / groups),
    constants: {
      WORKGROUP: workgroup,
      PIXELS: pixels,
      GROUPS: groups,
      ROW_TAPS: rowTaps,
      COLUMN_STEP: columnStep,
      COLUMNS: (pixels - 1) * (STRIDE / columnStep) + rowTaps,
    },
  };
}

/** Pixels of a run: many, for each loads weights anew, as costly as three more pixels; and such that few stand past a row's end. */
function runLength(width: number): number {
  const cost = (pixels: number): number => Math.ceil(width / pixels) * (pixels + 3);
  return [8, 7, 6, 5, 4].reduce((best, pixels) => (cost(pixels) < cost(best) ? pixels : best));
}

/** For software adapters, and where nothing else runs. `flags`: how weights are loaded, which is what a software adapter spends its time on. */
function barrierFree(
  name: string,
  flags: readonly string[],
  unsupported: KernelVariant<ConvolutionUse>['unsupported'],
): KernelVariant<ConvolutionUse> {
  return {
    name,
    sharedPipeline: true,
    unsupported,
    options: (use) => ({
      choices: { storage: use.storage },
      flags: [...flags, ...convolutionFlags(use)],
      constants: { ...rowTile(use).constants, ...convolutionShape(use) },
    }),
    workgroups: (use) => spread(rowTile(use).workgroups),
  };
}

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
    barrierFree('serial', [], (use, { f16 }) => needsF16(use, f16)),
    // The invocations of a quad load weights for each other.
    barrierFree('quads', ['subgroups', 'quads'], (use, { f16, subgroups, minSubgroupSize }) =>
      subgroups && minSubgroupSize >= 4 ? needsF16(use, f16) : 'needs subgroups of at least 4',
    ),
    ...tiles.map(tiled),
  ],
  preferred: (use, { software }) => {
    if (software) return ['quads', 'serial'];
    const best = preferredTile(use);
    return [...(best ? [tileName(best)] : []), 'serial'];
  },
});
