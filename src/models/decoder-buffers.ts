import { stateHeaderBytes } from '../attention/attention.ts';
import type { BufferSet } from '../gpu/buffer-set.ts';
import { summandsLength } from '../kernels/head-summand.ts';
import { matmulTokens } from '../kernels/matmul.ts';
import { sampledRing, samplerBytes } from '../kernels/sample.ts';
import { wholeGroups } from '../quant/format.ts';
import type { TransformerConfig } from './config.ts';
import type { TokenBytes } from './pass-rows.ts';

/** Summands of the output projection that are cheaper to read once more in every workgroup than a dispatch is; of no model are there more. */
export const maxSummandBytes: number = 64 * 2 ** 10;

/** What a decoder's kernels write to, but for caches and what else attention keeps. Some are one buffer: see `TokenBytes`. */
export type DecoderBuffers = Record<
  | 'state'
  | 'oneRow'
  | 'x'
  | 'xTurn'
  | 'summands'
  | 'qkv'
  | 'attended'
  | 'gateUp'
  | 'activated'
  | 'passNormed'
  | 'passAttended'
  | 'passActivated'
  | 'projected'
  | 'logits'
  | 'seen'
  | 'sampler',
  GPUBuffer
>;

/** For passes of up to `passRows` tokens. */
export function allocateBuffers(
  owned: BufferSet,
  config: TransformerConfig,
  bytes: TokenBytes,
  passRows: number,
): DecoderBuffers {
  const { numAttentionHeads: heads, headDim, hiddenSize, vocabSize } = config;
  const rows = Math.ceil(passRows / matmulTokens) * matmulTokens;
  const floats = (label: string, count: number) => owned.storage(label, count * 4);
  const products = owned.storage('products', rows * bytes.products);
  const passInputs = owned.storage('inputs of products', rows * bytes.inputs);
  return {
    oneRow: owned.storage('state of one row', stateHeaderBytes + 4),
    state: owned.create(
      'state',
      stateHeaderBytes + Math.max(rows, 1 + sampledRing) * 4,
      GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC,
    ),
    x: owned.storage('residual', rows * bytes.residual),
    xTurn: floats('residual of one token', wholeGroups(hiddenSize)),
    summands: floats(
      'summands of heads',
      // Those of two workgroups a head, with what puts them together.
      summandsLength(heads, Math.min(hiddenSize, Math.floor(maxSummandBytes / 4 / heads)), true),
    ),
    qkv: products,
    gateUp: products,
    projected: products,
    attended: floats('attended', heads * headDim),
    activated: floats('activated', wholeGroups(config.intermediateSize)),
    passNormed: passInputs,
    passAttended: passInputs,
    passActivated: owned.storage('activated, and queries', rows * bytes.activated),
    logits: floats('logits', vocabSize),
    seen: owned.storage('seen tokens', Math.ceil(vocabSize / 32) * 4),
    sampler: owned.create('sampler', samplerBytes, GPUBufferUsage.UNIFORM),
  };
}
