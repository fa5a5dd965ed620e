import type { Gpu } from '../gpu/gpu.ts';
import type { MapPlace } from '../kernels/feature-map.ts';

/** The numbers of a buffer on the GPU. */
export async function readFloats(gpu: Gpu, buffer: GPUBuffer): Promise<Float32Array> {
  return new Float32Array((await gpu.readBuffers([buffer])).buffer);
}

/** A map from the numbers of an arena, channels last, padding of the last group included. */
export function mapOf(arena: Float32Array, place: MapPlace): Float32Array {
  const channels = place.groups * 4;
  return Float32Array.from({ length: place.height * place.width * channels }, (_, i) => {
    const at = (place.offset + Math.floor(i / channels) * place.stride) * 4 + (i % channels);
    return arena[at] ?? 0;
  });
}
