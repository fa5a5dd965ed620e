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
