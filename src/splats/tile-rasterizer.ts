import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { radixScan } from '../kernels/radix-scan.ts';
import { tileBlocks, tileCount } from '../kernels/tile-count.ts';
import { tileEmit } from '../kernels/tile-emit.ts';
import { tileRaster, tilesAcross, tilesDown } from '../kernels/tile-raster.ts';
import { RadixSort } from './radix-sort.ts';
import type { Background } from './renderer.ts';

export interface TileRasterizerOptions {
  splats: number;
  width: number;
  height: number;
  /** Arguments of an indirect draw: the second word counts visible splats. */
  draw: GPUBuffer;
  cache: GPUBuffer;
  /** Splats front to back. */
  order: GPUBuffer;
}

/** Room for this many pairs of tile and splat a splat; a scene of large splats drops its farthest ones. */
const pairsPerSplat = 12;
const leastPairs = 2 ** 18;
const mostPairs = 2 ** 25;

/** Sorts splats into tiles of 16 × 16 pixels and blends each tile in a workgroup: no fragment shader runs. */
export class TileRasterizer {
  readonly stages: readonly { name: string; dispatches: readonly Dispatch[] }[];
  readonly #gpu: Gpu;
  readonly #image: GPUBuffer;
  readonly #background: GPUBuffer;
  readonly #owned: readonly GPUBuffer[];
  readonly #sort: RadixSort;
  readonly #size: { width: number; height: number; stride: number };
  #lastBackground = '';

  static async prepare(gpu: Gpu, options: TileRasterizerOptions): Promise<TileRasterizer> {
    const { splats, width, height, draw, cache, order } = options;
    const capacity = Math.min(mostPairs, Math.max(leastPairs, splats * pairsPerSplat));
    const columns = tilesAcross({ width });
    const rows = tilesDown({ height });
    const use = { splats, columns, rows, capacity };
    const blocks = tileBlocks(use);
    // Rows of an image that is copied to a texture begin at multiples of 256 bytes.
    const stride = Math.ceil(width / 64) * 64;
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    const make = (name: string, words: number, usage: number = storage): GPUBuffer =>
      gpu.createBuffer(`tiles ${name}`, words * 4, usage);
    const counts = make('counts', blocks);
    const total = make('total', 4);
    const keys = make('keys', capacity);
    const values = make('values', capacity);
    const image = make('image', stride * height);
    const background = make('background', 4, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const bits = Math.max(1, Math.ceil(Math.log2(columns * rows)));
    const sort = await RadixSort.prepare(gpu, {
      label: 'tiles',
      capacity,
      bits,
      total,
      keys,
      values,
    });
    const shown = { draw, cache, order };
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
      { background, total, keys: sort.keys, values: sort.values, cache, image },
    );
    const owned = [counts, total, keys, values, image, background];
    return new TileRasterizer(gpu, sort, owned, image, background, { width, height, stride }, [
      { name: 'bin', dispatches: bin },
      { name: 'raster', dispatches: [raster] },
    ]);
  }

  private constructor(
    gpu: Gpu,
    sort: RadixSort,
    owned: readonly GPUBuffer[],
    image: GPUBuffer,
    background: GPUBuffer,
    size: { width: number; height: number; stride: number },
    stages: readonly { name: string; dispatches: readonly Dispatch[] }[],
  ) {
    this.#gpu = gpu;
    this.#sort = sort;
    this.#owned = owned;
    this.#image = image;
    this.#background = background;
    this.#size = size;
    this.stages = stages;
  }

  setBackground(background: Background): void {
    const key = background.join();
    if (key === this.#lastBackground) return;
    this.#lastBackground = key;
    this.#gpu.write(this.#background, 0, Float32Array.of(...background));
  }

  /** To a texture of `rgba8unorm`. */
  copyTo(encoder: GPUCommandEncoder, texture: GPUTexture): void {
    const { width, height, stride } = this.#size;
    encoder.copyBufferToTexture({ buffer: this.#image, bytesPerRow: stride * 4 }, { texture }, [
      width,
      height,
    ]);
  }

  dispose(): void {
    this.#sort.dispose();
    for (const buffer of this.#owned) this.#gpu.destroyBuffer(buffer);
  }
}
