import type { MapPlace } from '../kernels/feature-map.ts';
import type { Random } from './random.ts';

/** What stands in the arena where no map is: a kernel that writes there is seen, one that reads there too. */
const elsewhere = 3;

/** Channels of a map, padding included, at [pixel · channels + channel]. */
export type MapValues = Float32Array | Float64Array;

export function channelsOf({ groups }: MapPlace): number {
  return groups * 4;
}

/** Where a channel of a pixel stands in the arena, in numbers. */
function indexOf(place: MapPlace, pixel: number, channel: number): number {
  return (place.offset + pixel * place.stride) * 4 + channel;
}

export function randomMap(place: MapPlace, random: Random): Float32Array<ArrayBuffer> {
  return random.activations(place.height * place.width * channelsOf(place));
}

/** An arena of `elements` vectors with these maps in it, in the precision of `Result`. */
export function arenaWith<Result extends MapValues>(
  empty: Result,
  maps: readonly (readonly [MapPlace, MapValues])[],
): Result {
  empty.fill(elsewhere);
  empty.fill(0, 0, 4);
  for (const [place, values] of maps) {
    const channels = channelsOf(place);
    values.forEach((value, i) => {
      empty[indexOf(place, Math.floor(i / channels), i % channels)] = value;
    });
  }
  return empty;
}
