import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { radixScan } from '../kernels/radix-scan.ts';
import { tileBlocks, tileCount } from '../kernels/tile-count.ts';
import { tileEmit } from '../kernels/tile-emit.ts';
import { tileRaster, tilesAcross, tilesDown } from '../kernels/tile-raster.ts';
import { PairCount } from './pair-count.ts';
import { RadixSort } from './radix-sort.ts';
import type { Background, Remedy } from './renderer.ts';
import { StorageSet } from './storage-set.ts';

export interface TileRasterizerOptions {
  splats: number;
  width: number;
  height: number;
  /** Arguments of an indirect draw: the second word counts visible splats. */
  draw: GPUBuffer;
  cache: GPUBuffer;
  /** Splats front to back. */
  order: GPUBuffer;
  /** Room for so many pairs of tile and splat; left out: for what most pictures need. */
  pairs?: number | undefined;
}

const pairsPerSplat = 12;
const leastPairs = 2 ** 18;
const mostPairs = 2 ** 25;
/** Room that a picture may ask for: two gigabytes. Quads need none. */
const pairsLimit = 2 ** 27;
/** The next picture may need a little more than the one that had too little. */
const headroom = 1.25;

interface TileParts {
  stages: readonly { name: string; dispatches: readonly Dispatch[] }[];
  image: GPUBuffer;
  background: GPUBuffer;
  count: PairCount;
  size: { width: number; height: number; stride: number };
  capacity: number;
  owned: readonly { dispose(): void }[];
}

/**
 * Sorts splats into tiles of 16 × 16 pixels and blends each tile in a workgroup: no fragment shader runs. Pairs of tile and splat that
 * there is no room for are left out, the farthest first; `dropped` and `remedy` tell.
 */
export class TileRasterizer {
  readonly #gpu: Gpu;
  readonly #parts: TileParts;
  readonly #background = new Float32Array(4).fill(Number.NaN);

  /** Throws `gpu-limit-exceeded` and `gpu-out-of-memory`. */
  static async prepare(gpu: Gpu, options: TileRasterizerOptions): Promise<TileRasterizer> {
    const owned: { dispose(): void }[] = [];
    try {
      return new TileRasterizer(gpu, await prepareParts(gpu, options, owned));
    } catch (thrown) {
      for (const resource of owned) resource.dispose();
      throw thrown;
    }
  }

  private constructor(gpu: Gpu, parts: TileParts) {
    this.#gpu = gpu;
    this.#parts = parts;
  }

  get stages(): TileParts['stages'] {
    return this.#parts.stages;
  }

  /** Pairs that the picture which was counted last had no room for. */
  get dropped(): number {
    return Math.max(0, this.#parts.count.needed - this.#parts.capacity);
  }

  /** What draws that picture whole; null: it was. */
  get remedy(): Remedy | null {
    const { needed } = this.#parts.count;
    if (this.dropped === 0) return null;
    const limit = pairsLimitOn(this.#gpu);
    return needed > limit
      ? { method: 'quads' }
      : { pairs: Math.min(limit, Math.ceil(needed * headroom)) };
  }

  setBackground(background: Background): void {
    const last = this.#background;
    if (background.every((value, i) => last[i] === Math.fround(value))) return;
    last.set(background);
    this.#gpu.write(this.#parts.background, 0, last);
  }

  /** To a texture of `rgba8unorm`. */
  copyTo(encoder: GPUCommandEncoder, texture: GPUTexture): void {
    const { image, count, size } = this.#parts;
    const { width, height, stride } = size;
    encoder.copyBufferToTexture({ buffer: image, bytesPerRow: stride * 4 }, { texture }, [
      width,
      height,
    ]);
    count.record(encoder);
  }

  /** After the submit of a frame. */
  readCount(): void {
    this.#parts.count.read();
  }

  /** Resolves when `dropped` is that of the last frame. */
  counted(): Promise<void> {
    return this.#parts.count.settled();
  }

  dispose(): void {
    for (const resource of this.#parts.owned) resource.dispose();
  }
}

async function prepareParts(
  gpu: Gpu,
  { splats, width, height, pairs, ...shown }: TileRasterizerOptions,
  owned: { dispose(): void }[],
): Promise<TileParts> {
  const usual = Math.min(mostPairs, Math.max(leastPairs, splats * pairsPerSplat));
  const capacity = Math.min(pairs ?? usual, pairsLimitOn(gpu));
  const columns = tilesAcross({ width });
  const rows = tilesDown({ height });
  const use = { splats, columns, rows, capacity };
  const blocks = tileBlocks(use);
  // Rows of an image that is copied to a texture begin at multiples of 256 bytes.
  const stride = Math.ceil(width / 64) * 64;
  const storage = await StorageSet.make(gpu, 'tiles', {
    counts: blocks,
    total: 1,
    keys: capacity,
    values: capacity,
    image: stride * height,
  });
  owned.push(storage);
  const { counts, total, keys, values, image } = storage.buffers;
  const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const background = gpu.createBuffer('tiles background', 16, uniform);
  const count = new PairCount(gpu, total);
  owned.push(count, { dispose: () => gpu.destroyBuffer(background) });
  const bits = Math.max(1, Math.ceil(Math.log2(columns * rows)));
  const label = 'tiles';
  const sort = await RadixSort.prepare(gpu, { label, capacity, bits, total, keys, values });
  owned.push(sort);
  const bin = [
    await prepareDispatch(gpu, tileCount, use, { ...shown, counts }),
    await prepareDispatch(gpu, radixScan, { length: blocks }, { counts, sum: total }),
    await prepareDispatch(gpu, tileEmit, use, { ...shown, offsets: counts, keys, values }),
    ...sort.dispatches,
  ];
  const raster = await prepareDispatch(
    gpu,
    tileRaster,
    { width, height, stride, capacity },
    { background, total, keys: sort.keys, values: sort.values, cache: shown.cache, image },
  );
  const stages = [
    { name: 'bin', dispatches: bin },
    { name: 'raster', dispatches: [raster] },
  ];
  return { stages, image, background, count, size: { width, height, stride }, capacity, owned };
}

function pairsLimitOn({ maxStorageBytes }: Gpu): number {
  return Math.min(pairsLimit, Math.floor(maxStorageBytes / 4));
}
