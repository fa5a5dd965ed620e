import type { BufferSet } from '../gpu/buffer-set.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type RopeConfig, ropeTable } from '../kernels/rope-table.ts';
import type { LayerKind } from './attention-shape.ts';

/** The angles of all positions, by kind of layer: one table where the model turns both alike. */
export class RopeTables {
  readonly of: Readonly<Record<LayerKind, GPUBuffer>>;
  readonly #gpu: Gpu;
  readonly #configs: Record<LayerKind, RopeConfig>;
  readonly #contextLength: number;

  constructor(
    gpu: Gpu,
    configs: Record<LayerKind, RopeConfig>,
    contextLength: number,
    buffers: BufferSet,
  ) {
    this.#gpu = gpu;
    this.#configs = configs;
    this.#contextLength = contextLength;
    const allocate = (config: RopeConfig) =>
      buffers.storage('rope', ropeTable(config, contextLength).byteLength);
    const full = allocate(configs.full);
    const sliding = configs.sliding === configs.full ? full : allocate(configs.sliding);
    this.of = { full, sliding };
  }

  /** `factors` are the vectors of the file that divide the frequencies. */
  write(factors: ReadonlyMap<string, Float32Array>): void {
    const { full, sliding } = this.of;
    this.#write(full, this.#configs.full, factors);
    if (sliding !== full) this.#write(sliding, this.#configs.sliding, factors);
  }

  #write(table: GPUBuffer, config: RopeConfig, factors: ReadonlyMap<string, Float32Array>): void {
    const given = config.factorsTensor === null ? undefined : factors.get(config.factorsTensor);
    this.#gpu.write(table, 0, ropeTable(config, this.#contextLength, given));
  }
}
