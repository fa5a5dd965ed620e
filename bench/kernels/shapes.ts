/** Sizes of a public model. */
export interface Shape {
  name: string;
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  format: string;
}

const smol: Shape = {
  name: 'smol135',
  hidden: 576,
  intermediate: 1536,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  vocabulary: 49_152,
  format: 'q4_0',
};
const qwen: Shape = {
  name: 'qwen05',
  hidden: 896,
  intermediate: 4864,
  layers: 24,
  heads: 14,
  kvHeads: 2,
  headDim: 64,
  vocabulary: 151_936,
  format: 'q4_0',
};
const llama1b: Shape = {
  name: 'llama1b',
  hidden: 2048,
  intermediate: 8192,
  layers: 16,
  heads: 32,
  kvHeads: 8,
  headDim: 64,
  vocabulary: 128_256,
  format: 'q4_0',
};
const llama8b: Shape = {
  name: 'llama8b',
  hidden: 4096,
  intermediate: 14_336,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  vocabulary: 128_256,
  format: 'q4_0',
};

/** LLM-S of Mixture-of-Head attention (arXiv 2410.11842): a key head for every query head. */
const moh: Shape = {
  name: 'moh186',
  hidden: 768,
  intermediate: 2048,
  layers: 12,
  heads: 12,
  kvHeads: 12,
  headDim: 64,
  vocabulary: 65_536,
  format: 'q4_0',
};

/** For software adapters: to see that a timing runs. */
const tiny: Shape = {
  name: 'tiny',
  hidden: 128,
  intermediate: 256,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  vocabulary: 512,
  format: 'q4_0',
};

/** Models whose kernels are timed one by one. */
export const timedShapes: readonly Shape[] = [smol, qwen, llama1b, llama8b];
export const shapes: readonly Shape[] = [...timedShapes, moh, tiny];
