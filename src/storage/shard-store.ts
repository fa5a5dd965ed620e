import { createStore, promisifyRequest, type UseStore } from 'idb-keyval';
import { VitrailError } from '../errors.ts';
import type { LoadOptions } from '../types.ts';
import { sha256Hex } from './digest.ts';
import type { FileOrigin, HeaderPart } from './model-files.ts';

/** Raised whenever the GPU layout of any format or the division into shards changes: older copies are then of no use. */
export const layoutVersion = 3;

/** One model of the store. Its shards and header parts stand beside it under keys of their own. */
export interface Manifest {
  layoutVersion: number;
  maxShardBytes: number;
  id: string;
  name: string;
  /** The address that the model was loaded by; null for a local file. */
  url: string | null;
  quantize: LoadOptions['quantize'] | null;
  files: FileOrigin[];
  header: { bytes: number; digest: string };
  /** In the order of the plan. */
  shards: ShardRecord[];
  /** SHA-256 of the whole file, where it was computed. */
  fileDigest: string | null;
  storedAt: number;
}

export interface ShardRecord {
  /** SHA-256 of the content, which is also its key; null while it is missing. */
  digest: string | null;
  bytes: number;
  /** The file and the bytes [from, to) there that it was made of. */
  file: number;
  from: number;
  to: number;
}

const manifestKey = (id: string): string => `manifest/${id}`;
const headerKey = (id: string): string => `header/${id}`;
const shardKey = (layout: number, digest: string): string => `shard/${layout}/${digest}`;
const allManifests = (): IDBKeyRange => IDBKeyRange.bound('manifest/', 'manifest/\uffff');

export function isComplete(manifest: Manifest): boolean {
  return manifest.shards.every(({ digest }) => digest !== null);
}

/** Bytes that a model takes in the store at present. */
export function storedBytes({ header, shards }: Manifest): number {
  return shards.reduce(
    (sum, { digest, bytes }) => sum + (digest === null ? 0 : bytes),
    header.bytes,
  );
}

/**
 * Manifests, headers and shards in one IndexedDB object store. What belongs together is written in one transaction, so that
 * closing the page at any moment leaves nothing half-written. A shard that several models share is there once.
 */
export class ShardStore {
  readonly #use: UseStore;

  constructor(databaseName = 'vitrail') {
    this.#use = createStore(databaseName, 'weights');
  }

  /** False where the browser gives no IndexedDB: some private windows, sandboxed frames. */
  async isAvailable(): Promise<boolean> {
    try {
      await this.#use('readonly', (store) => promisifyRequest(store.count(allManifests())));
      return true;
    } catch {
      return false;
    }
  }

  async manifest(id: string): Promise<Manifest | undefined> {
    return this.#get<Manifest>(manifestKey(id));
  }

  async manifests(): Promise<Manifest[]> {
    return this.#use('readonly', (store) =>
      promisifyRequest<Manifest[]>(store.getAll(allManifests())),
    );
  }

  /** Begins a model. Throws `QuotaExceeded`. */
  async begin(manifest: Manifest, header: readonly HeaderPart[]): Promise<void> {
    await this.#write((store) => {
      store.put(header, headerKey(manifest.id));
      store.put(manifest, manifestKey(manifest.id));
    });
  }

  /** The header parts; undefined where they are missing or damaged. */
  async header(manifest: Manifest): Promise<HeaderPart[] | undefined> {
    const parts = await this.#get<HeaderPart[]>(headerKey(manifest.id));
    const digest = parts && (await headerDigest(parts));
    return digest === manifest.header.digest ? parts : undefined;
  }

  /** A shard's content; undefined where it is missing or damaged. */
  async shard({ digest }: ShardRecord): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (digest === null) return undefined;
    const bytes = await this.#get<Uint8Array<ArrayBuffer>>(shardKey(layoutVersion, digest));
    if (!(bytes instanceof Uint8Array)) return undefined;
    return (await sha256Hex(bytes)) === digest ? bytes : undefined;
  }

  /**
   * Stores a shard and notes it in the manifest. False, and nothing stored, when the model has been deleted meanwhile.
   * Throws `QuotaExceeded`.
   */
  async addShard(
    id: string,
    index: number,
    digest: string,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    let added = false;
    await this.#write(async (store) => {
      const manifest = await promisifyRequest<Manifest | undefined>(store.get(manifestKey(id)));
      const record = manifest?.shards[index];
      if (!manifest || !record) return;
      record.digest = digest;
      store.put(bytes, shardKey(layoutVersion, digest));
      store.put(manifest, manifestKey(id));
      added = true;
    });
    return added;
  }

  /** Changes a manifest, if it is still there. */
  async update(id: string, change: (manifest: Manifest) => void): Promise<void> {
    await this.#write(async (store) => {
      const manifest = await promisifyRequest<Manifest | undefined>(store.get(manifestKey(id)));
      if (!manifest) return;
      change(manifest);
      store.put(manifest, manifestKey(id));
    });
  }

  /** Notes that a shard is damaged: the next load fetches it again. */
  async dropShard(id: string, index: number): Promise<void> {
    await this.update(id, ({ shards }) => {
      const record = shards[index];
      if (record) record.digest = null;
    });
  }

  /** Removes a model, and those of its shards that no other model uses. */
  async delete(id: string): Promise<void> {
    await this.#write(async (store) => {
      const manifests = await promisifyRequest<Manifest[]>(store.getAll(allManifests()));
      const others = manifests.filter((manifest) => manifest.id !== id);
      const used = new Set(others.flatMap(shardKeys));
      store.delete(manifestKey(id));
      store.delete(headerKey(id));
      // Also what no manifest knows of any more: damaged shards that were replaced, copies in an older layout.
      const stored = await promisifyRequest(store.getAllKeys(allShards()));
      for (const key of stored) if (!used.has(String(key))) store.delete(key);
    });
  }

  #get<Value>(key: string): Promise<Value | undefined> {
    return this.#use('readonly', (store) => promisifyRequest<Value | undefined>(store.get(key)));
  }

  /** One transaction; resolves when it is complete. Where `work` fails, nothing of it is written. */
  async #write(work: (store: IDBObjectStore) => void | Promise<void>): Promise<void> {
    try {
      await this.#use('readwrite', async (store) => {
        const done = finished(store.transaction);
        try {
          await work(store);
        } catch (thrown) {
          done.catch(() => undefined);
          store.transaction.abort();
          throw thrown;
        }
        await done;
      });
    } catch (thrown) {
      throw isQuotaError(thrown) ? new QuotaExceeded(thrown) : thrown;
    }
  }
}

/** A transaction's error is known only once it has been aborted. */
function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => reject(transaction.error));
  });
}

/** The browser refused to store more. Never leaves this folder: the caller knows how much was needed. */
export class QuotaExceeded extends Error {
  override readonly name = 'QuotaExceeded';

  constructor(cause: unknown) {
    super('The browser refused to store more.', { cause });
  }
}

/** The digest over all parts: their names and contents. */
export async function headerDigest(parts: readonly HeaderPart[]): Promise<string> {
  const digests = await Promise.all(
    parts.map(async ({ name, bytes }) => [name, await sha256Hex(bytes)]),
  );
  return sha256Hex(new TextEncoder().encode(JSON.stringify(digests)));
}

const allShards = (): IDBKeyRange => IDBKeyRange.bound('shard/', 'shard/\uffff');

function shardKeys(manifest: Manifest): string[] {
  return manifest.shards.flatMap(({ digest }) =>
    digest === null ? [] : [shardKey(manifest.layoutVersion, digest)],
  );
}

function isQuotaError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'QuotaExceededError';
}

export function unknownModel(id: string): VitrailError {
  return new VitrailError('invalid-argument', `There is no stored model '${id}'.`, {
    where: 'shard-store/manifest',
    fix: 'Take an id from store.list(), or load the model from its address or file.',
    detail: { id },
  });
}
