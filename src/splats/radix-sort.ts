import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import {
  type RadixPassUse,
  radixBlockCount,
  radixBlocks,
  radixCount,
  radixDigits,
} from '../kernels/radix-count.ts';
import { radixScan } from '../kernels/radix-scan.ts';
import { radixScatter } from '../kernels/radix-scatter.ts';

export interface RadixSortOptions {
  label: string;
  /** The most keys that there can be. */
  capacity: number;
  /** Low bits that are sorted by; the others must be 0 or equal. */
  bits: number;
  /** [1] how many keys there are, on the GPU. */
  total: GPUBuffer;
  /** [capacity] overwritten. */
  keys: GPUBuffer;
  /** [capacity] what moves with the keys, overwritten; left out: the keys' indices. */
  values?: GPUBuffer;
}

/**
 * Stable ascending sort of u32 keys on the GPU: least significant digit first, 4 bits a pass, 3 dispatches a pass (Knuth, TAOCP 3,
 * 5.2.5). Needs neither subgroups nor progress between workgroups.
 */
export class RadixSort {
  readonly dispatches: readonly Dispatch[];
  /** [capacity] sorted. */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #buffers: readonly GPUBuffer[];

  static async prepare(gpu: Gpu, options: RadixSortOptions): Promise<RadixSort> {
    const { label, capacity } = options;
    const blockKeys = gpu.capabilities.software ? radixBlocks.serial : radixBlocks.parallel;
    const pass: RadixPassUse = { capacity, blockKeys, shift: 0 };
    const length = radixDigits * radixBlockCount(pass);
    const storage = (name: string, words: number): GPUBuffer =>
      gpu.createBuffer(
        `${label} ${name}`,
        words * 4,
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
      );
    const counts = storage('counts', length);
    const sum = storage('sum', 1);
    const spare = { keys: storage('keys', capacity), values: storage('values', capacity) };
    const ownValues = options.values ? null : storage('values', capacity);
    let from = { keys: options.keys, values: options.values ?? (ownValues as GPUBuffer) };
    let to = spare;
    const dispatches: Dispatch[] = [];
    for (let shift = 0; shift < options.bits; shift += 4) {
      const use = { ...pass, shift, first: shift === 0 && !options.values };
      dispatches.push(
        await prepareDispatch(gpu, radixCount, use, {
          total: options.total,
          keys: from.keys,
          counts,
        }),
        await prepareDispatch(gpu, radixScan, { length }, { counts, sum }),
        await prepareDispatch(gpu, radixScatter, use, {
          total: options.total,
          offsets: counts,
          keys_in: from.keys,
          values_in: from.values,
          keys_out: to.keys,
          values_out: to.values,
        }),
      );
      [from, to] = [to, from];
    }
    const owned = [counts, sum, spare.keys, spare.values, ...(ownValues ? [ownValues] : [])];
    return new RadixSort(gpu, dispatches, from, owned);
  }

  private constructor(
    gpu: Gpu,
    dispatches: readonly Dispatch[],
    sorted: { keys: GPUBuffer; values: GPUBuffer },
    buffers: readonly GPUBuffer[],
  ) {
    this.#gpu = gpu;
    this.dispatches = dispatches;
    this.keys = sorted.keys;
    this.values = sorted.values;
    this.#buffers = buffers;
  }

  dispose(): void {
    for (const buffer of this.#buffers) this.#gpu.destroyBuffer(buffer);
  }
}
