import type { Gpu } from '../../src/gpu/gpu.ts';

/** Numbers of ordinary size, whether read as f32 or as halves; nibbles and bytes of any value but for the top bits of each half. */
export function fill(gpu: Gpu, buffer: GPUBuffer): void {
  const words = new Uint32Array(Math.min(buffer.size, 2 ** 22) / 4);
  let seed = 1;
  for (let i = 0; i < words.length; i += 1) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = (seed & 0x03ff_03ff) | 0x3800_3800;
  }
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    gpu.write(buffer, at, words.subarray(0, Math.min(words.length, (buffer.size - at) / 4)));
  }
}
