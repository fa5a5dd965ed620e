import { type KernelVariant, spread } from '../gpu/kernel.ts';

/** How the arena of feature maps stores a channel. Sums are f32 in both. */
export type MapStorage = 'f32' | 'f16';

/** Where a feature map stands in the arena, in elements of four channels. */
export interface MapPlace {
  /** Element of the first channel group of the first pixel; never 0, which is the arena's zero. */
  offset: number;
  /** Elements from a pixel to the next: more than `groups` inside a concatenation. */
  stride: number;
  /** Groups of four channels. */
  groups: number;
  height: number;
  width: number;
}

export const noPlace: MapPlace = { offset: 0, stride: 0, groups: 0, height: 0, width: 0 };

/** The linker's flags for a storage. */
export function mapStorageFlags(storage: MapStorage): string[] {
  return storage === 'f16' ? ['f16'] : [];
}

/** For kernels of maps with one way to run: an invocation for each item of the work. */
export function mapVariant<Use extends { storage: MapStorage }>(
  workgroup: number,
  itemsOf: (use: Use) => number,
  { flags = () => [], constants = () => ({}) }: MapOptions<Use> = {},
): KernelVariant<Use> {
  return {
    name: 'plain',
    unsupported: ({ storage }, { f16 }) => (storage === 'f16' && !f16 ? 'needs shader-f16' : null),
    options: (use) => ({
      choices: { storage: use.storage },
      flags: [...mapStorageFlags(use.storage), ...flags(use)],
      constants: { WORKGROUP: workgroup, ...constants(use) },
    }),
    workgroups: (use) => spread(Math.ceil(itemsOf(use) / workgroup)),
  };
}

interface MapOptions<Use> {
  flags?: (use: Use) => string[];
  constants?: (use: Use) => Record<string, number>;
}

/** Elements of a map without what lies between its pixels. */
export function elementsOf({ height, width, groups }: MapPlace): number {
  return height * width * groups;
}

/** Fields of `params` that say where a map-to-map kernel reads and writes, each channel by itself. */
export const mapParams = {
  in_offset: 'u32',
  in_stride: 'u32',
  in_height: 'u32',
  in_width: 'u32',
  out_offset: 'u32',
  out_stride: 'u32',
  out_height: 'u32',
  out_width: 'u32',
  groups: 'u32',
} as const;

export function mapParamValues({
  input,
  output,
}: {
  input: MapPlace;
  output: MapPlace;
}): Record<keyof typeof mapParams, number> {
  return {
    in_offset: input.offset,
    in_stride: input.stride,
    in_height: input.height,
    in_width: input.width,
    out_offset: output.offset,
    out_stride: output.stride,
    out_height: output.height,
    out_width: output.width,
    groups: output.groups,
  };
}
