import type { Gpu } from '../gpu/gpu.ts';
import type { MapPlace } from '../kernels/feature-map.ts';

/** The numbers of a buffer on the GPU. */
export async function readFloats(gpu: Gpu, buffer: GPUBuffer): Promise<Float32Array> {
  const { size } = buffer;
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = gpu.createBuffer('readback', size, usage);
  gpu.submit([], 1, (encoder) => encoder.copyBufferToBuffer(buffer, 0, staging, 0, size));
  const bytes = await gpu.readStaging(staging, size);
  gpu.destroyBuffer(staging);
  return new Float32Array(bytes);
}

/** A map from the numbers of an arena, channels last, padding of the last group included. */
export function mapOf(arena: Float32Array, place: MapPlace): Float32Array {
  const channels = place.groups * 4;
  return Float32Array.from({ length: place.height * place.width * channels }, (_, i) => {
    const at = (place.offset + Math.floor(i / channels) * place.stride) * 4 + (i % channels);
    return arena[at] ?? 0;
  });
}
