import { toVitrailError } from '../errors.ts';
import type { Source, StoredModel } from '../types.ts';
import { abortable } from './abort.ts';
import type { RetryPolicy } from './download.ts';
import { type OpenOptions, openModelFrom } from './open-model.ts';
import type { OpenSettings } from './opening.ts';
import { defaultShardBytes } from './shard-plan.ts';
import { isComplete, ShardStore, storedBytes, unknownModel } from './shard-store.ts';
import type { OpenModel } from './streamed-model.ts';

export { type GpuFormatOptions, gpuFormat } from './gpu-format.ts';
export type { OpenOptions } from './open-model.ts';
export type { OpenModel, WeightChunk } from './streamed-model.ts';

export interface WeightStoreSettings {
  databaseName?: string;
  retryPolicy?: Partial<RetryPolicy>;
  /** Default 16 MiB. Part of the layout: copies with shards of another size are read anew. */
  maxShardBytes?: number;
}

/** The models that this origin keeps, and the way to open one from anywhere. Nothing is touched before the first call. */
export class WeightStore {
  readonly #shards: ShardStore;
  readonly #settings: OpenSettings;

  constructor(settings: WeightStoreSettings = {}) {
    const { databaseName, retryPolicy = {}, maxShardBytes = defaultShardBytes } = settings;
    this.#shards = new ShardStore(databaseName);
    this.#settings = { retryPolicy, maxShardBytes };
  }

  /**
   * Reads a model's header; its weights then come from `chunks()`. From the store where it is there whole, without any
   * network; else from the source, and into the store on the way unless `cache` is false.
   * Throws `invalid-argument`, `network`, `model-corrupt`, `model-unsupported`, `storage-quota`, `storage-corrupt`, `aborted`.
   */
  async open(source: Source, options: OpenOptions = {}): Promise<OpenModel> {
    try {
      const opened = openModelFrom(source, options, this.#shards, this.#settings);
      return await abortable(opened, options.signal, 'weight-store/open');
    } catch (thrown) {
      throw toVitrailError(thrown, 'weight-store/open');
    }
  }

  async list(): Promise<StoredModel[]> {
    if (!(await this.#shards.isAvailable())) return [];
    const manifests = await this.#shards.manifests();
    return manifests.map((manifest) => ({
      id: manifest.id,
      name: manifest.name,
      bytes: storedBytes(manifest),
      complete: isComplete(manifest),
      storedAt: manifest.storedAt,
    }));
  }

  /** Removes a model; what other models share with it stays. An id that is not there is no error. */
  async delete(id: string): Promise<void> {
    if (await this.#shards.isAvailable()) await this.#shards.delete(id);
  }

  /**
   * Reads all stored bytes and compares them with their digests. Damaged parts are dropped, so that the next load fetches
   * them again. False when there were any. Throws `invalid-argument` for an unknown id.
   */
  async verify(id: string): Promise<boolean> {
    const manifest = await this.#shards.manifest(id);
    if (!manifest) throw unknownModel(id);
    if ((await this.#shards.header(manifest)) === undefined) {
      await this.#shards.delete(id);
      return false;
    }
    let intact = true;
    for (const [index, record] of manifest.shards.entries()) {
      if (record.digest === null || (await this.#shards.shard(record))) continue;
      intact = false;
      await this.#shards.dropShard(id, index);
    }
    return intact;
  }
}

/** The store of this origin. */
export const weightStore: WeightStore = new WeightStore();

/** Opens a model from the store of this origin, or through it; see `WeightStore.open`. */
export function openModel(source: Source, options: OpenOptions = {}): Promise<OpenModel> {
  return weightStore.open(source, options);
}
