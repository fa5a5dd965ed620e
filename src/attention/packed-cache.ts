import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { chooseVariant, prepareDispatch } from '../gpu/kernel.ts';
import { type AttentionUse, attention } from '../kernels/attention.ts';
import { kvBytes, scaleBytes } from '../kernels/kv-format.ts';
import { stagedBytes } from '../kernels/kv-project.ts';
import { type KvQuantizeUse, kvQuantize } from '../kernels/kv-quantize.ts';
import { kvUnpack } from '../kernels/kv-unpack.ts';

/** The caches of a layer, and what its kernels know about a pass. */
type LayerBuffers = Record<'state' | 'k_cache' | 'v_cache', GPUBuffer | BufferRange> & {
  kv_scales?: BufferRange;
};

/** Around caches of 8 or 4 bits a component: where a projection puts keys and values, and the way into the caches. */
export class PackedCache {
  /** Keys and values [kvHeads, stagedRows, headDim] of a pass, as a projection names them. */
  readonly target: Record<'k_cache' | 'v_cache', BufferRange>;
  readonly #gpu: Gpu;
  readonly #use: KvQuantizeUse;
  readonly #staged: GPUBuffer;
  /** The keys and values of one layer in halves; null where attention of many tokens reads the caches themselves. */
  readonly #halves: Record<'keys' | 'values', GPUBuffer> | null;

  /** `shape` is what attention of many tokens will be. */
  constructor(gpu: Gpu, use: KvQuantizeUse, shape: AttentionUse, buffers: BufferSet) {
    this.#gpu = gpu;
    this.#use = use;
    const { kvHeads, headDim, contextLength } = use;
    const { keys: size } = stagedBytes({ ...use, heads: 0 });
    const buffer = buffers.storage('keys and values of a pass', 2 * size);
    this.#staged = buffer;
    this.target = {
      k_cache: { buffer, offset: 0, size },
      v_cache: { buffer, offset: size, size },
    };
    // Subgroup matrices multiply halves: a pass unpacks the layer once for all its tiles of tokens.
    const { name } = chooseVariant(
      attention,
      { ...shape, kv: 'f16', many: true },
      gpu.capabilities,
    );
    const bytes = kvBytes('f16', kvHeads * contextLength * headDim);
    const halves = (label: string) => buffers.storage(`${label} of a layer in halves`, bytes);
    this.#halves = name === 'matrix' ? { keys: halves('keys'), values: halves('values') } : null;
  }

  /** For the scales of a layer. */
  get scaleBytes(): number {
    const { kvHeads, headDim, contextLength } = this.#use;
    return scaleBytes(kvHeads * contextLength * headDim);
  }

  /** What attention of a pass reads, and the dispatches that make it of what is staged. */
  plan(
    use: AttentionUse,
    tokens: 'one' | 'own' | 'many',
    buffers: LayerBuffers,
  ): { use: AttentionUse; buffers: LayerBuffers; before: Promise<Dispatch>[] } {
    const staged = { ...buffers, staged: this.#staged };
    const quantize = prepareDispatch(this.#gpu, kvQuantize, this.#use, staged);
    if (tokens !== 'many' || !this.#halves) return { use, buffers, before: [quantize] };
    const { keys, values } = this.#halves;
    const unpacked = { ...buffers, keys, values };
    const unpack = prepareDispatch(this.#gpu, kvUnpack, this.#use, unpacked);
    return {
      use: { ...use, kv: 'f16' },
      buffers: { state: buffers.state, k_cache: keys, v_cache: values },
      before: [quantize, unpack],
    };
  }
}
