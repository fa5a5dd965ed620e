import type { Gpu } from '../../src/gpu/gpu.ts';

const sourceBytes = 2 ** 22;
const sources = new WeakMap<Gpu, GPUBuffer>();

/** Numbers of ordinary size, whether read as f32 or as halves; nibbles and bytes of any value but for the top bits of each half. */
export function fill(gpu: Gpu, buffer: GPUBuffer): void {
  const source = sources.get(gpu) ?? createSource(gpu);
  sources.set(gpu, source);
  gpu.submit([], 0, (encoder) => {
    for (let at = 0; at < buffer.size; at += sourceBytes) {
      const bytes = Math.min(sourceBytes, buffer.size - at);
      encoder.copyBufferToBuffer(source, 0, buffer, at, bytes);
    }
  });
}

function createSource(gpu: Gpu): GPUBuffer {
  const { COPY_SRC, COPY_DST } = GPUBufferUsage;
  const source = gpu.createBuffer('random bits', sourceBytes, COPY_SRC | COPY_DST);
  const words = new Uint32Array(sourceBytes / 4);
  let seed = 1;
  for (let i = 0; i < words.length; i += 1) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = (seed & 0x03ff_03ff) | 0x3800_3800;
  }
  gpu.write(source, 0, words);
  return source;
}
