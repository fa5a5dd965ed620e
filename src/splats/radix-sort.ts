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
import { StorageSet } from './storage-set.ts';

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

/** A million keys. Scanning the counts of as many blocks apart costs a dispatch more than it saves. */
const mostCountedBlocks = 512;

/**
 * Stable ascending sort of u32 keys on the GPU: least significant digit first, 4 bits a pass, 2 dispatches a pass, 3 of many keys
 * (Knuth, TAOCP 3, 5.2.5). Needs neither subgroups nor progress between workgroups.
 */
export class RadixSort {
  readonly dispatches: readonly Dispatch[];
  /** [capacity] sorted. */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  readonly #storage: { dispose(): void };

  /** Throws `gpu-limit-exceeded` and `gpu-out-of-memory`. */
  static async prepare(gpu: Gpu, options: RadixSortOptions): Promise<RadixSort> {
    const { label, capacity } = options;
    const { software } = gpu.capabilities;
    const blockKeys = software ? radixBlocks.serial : radixBlocks.parallel;
    const blocks = radixBlockCount({ capacity, blockKeys, shift: 0 });
    const counted = !software && blocks <= mostCountedBlocks;
    const pass: RadixPassUse = { capacity, blockKeys, shift: 0, counted };
    const length = radixDigits * blocks;
    const storage = await StorageSet.make(gpu, label, {
      counts: length,
      sum: 1,
      spareKeys: capacity,
      spareValues: capacity,
      ownValues: options.values ? 0 : capacity,
    });
    const { counts, sum, spareKeys, spareValues, ownValues } = storage.buffers;
    let from = { keys: options.keys, values: options.values ?? ownValues };
    let to = { keys: spareKeys, values: spareValues };
    const dispatches: Dispatch[] = [];
    for (let shift = 0; shift < options.bits; shift += 4) {
      const use = { ...pass, shift, first: shift === 0 && !options.values };
      dispatches.push(
        await prepareDispatch(gpu, radixCount, use, {
          total: options.total,
          keys: from.keys,
          counts,
        }),
      );
      if (!counted) {
        dispatches.push(await prepareDispatch(gpu, radixScan, { length }, { counts, sum }));
      }
      dispatches.push(
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
    return new RadixSort(dispatches, from, storage);
  }

  private constructor(
    dispatches: readonly Dispatch[],
    sorted: { keys: GPUBuffer; values: GPUBuffer },
    storage: { dispose(): void },
  ) {
    this.dispatches = dispatches;
    this.keys = sorted.keys;
    this.values = sorted.values;
    this.#storage = storage;
  }

  dispose(): void {
    this.#storage.dispose();
  }
}
