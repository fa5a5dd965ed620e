import { toVitrailError } from '../errors.ts';
import type { ModelHeader, TensorInfo } from '../formats/header.ts';
import type { QuantFormat } from '../quant/format.ts';
import { abortableSteps } from './abort.ts';
import type { ByteSource } from './byte-source.ts';
import { FileChanged } from './download.ts';
import { takeLock } from './lock.ts';
import type { ModelDescription, ModelExtra } from './model-files.ts';
import { beginStored, lockName, type Opening, readFiles, showProgress } from './opening.ts';
import { ShardPass } from './shard-pass.ts';
import { gpuBytesOf, planShards, type ShardPlan } from './shard-plan.ts';
import { headerDigest, isComplete, type Manifest } from './shard-store.ts';

/** Rows of one tensor, as the GPU wants them. */
export interface WeightChunk {
  tensor: TensorInfo;
  /** The format on the GPU. */
  format: QuantFormat;
  firstRow: number;
  rows: number;
  /** rows × rowBytes. Valid until the next chunk is asked for; neither to be changed nor transferred. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** A model whose header has been read. */
export interface OpenModel {
  /** `store:<id>` opens the model again once it is stored. */
  id: string;
  name: string;
  header: ModelHeader;
  /** Of all tensors together. */
  gpuBytes: number;
  /** All of it is in this browser's storage. */
  cached: boolean;
  extra: ModelExtra;
  /**
   * All rows of all tensors once, in file order. A chunk is fetched only when it is asked for. When the file changes on the
   * server while it is being read, and its header does not, the rows come once more from the beginning.
   */
  chunks(): AsyncGenerator<WeightChunk>;
}

/** What is known of a model after its header was read. */
export interface ModelState {
  name: string;
  description: ModelDescription;
  /** The weight files; null where only the store has the content. */
  sources: readonly (ByteSource | null)[];
  headerDigest: string;
  /** Null: it is not kept. */
  manifest: Manifest | null;
}

const maxRestarts = 2;

export class StreamedModel implements OpenModel {
  readonly id: string;
  readonly name: string;
  readonly header: ModelHeader;
  readonly gpuBytes: number;
  readonly cached: boolean;
  readonly extra: ModelExtra;
  readonly #opening: Opening;
  readonly #plan: readonly ShardPlan[];
  #state: ModelState;

  constructor(opening: Opening, state: ModelState) {
    const { header, extra, tensors } = state.description;
    this.#opening = opening;
    this.#state = state;
    this.#plan = planShards(tensors, opening);
    this.id = opening.id;
    this.name = state.name;
    this.header = header;
    this.extra = extra;
    this.gpuBytes = gpuBytesOf(this.#plan);
    this.cached = state.manifest !== null && isComplete(state.manifest);
  }

  async *chunks(): AsyncGenerator<WeightChunk> {
    try {
      yield* abortableSteps(this.#chunks(), this.#opening.signal, 'weight-store/chunks');
    } catch (thrown) {
      throw toVitrailError(thrown, 'weight-store/chunks');
    }
  }

  async *#chunks(): AsyncGenerator<WeightChunk> {
    const endTurn = await this.#takeTurn();
    try {
      for (let restarts = 0; ; restarts += 1) {
        try {
          yield* this.#pass();
          return;
        } catch (thrown) {
          if (!(thrown instanceof FileChanged) || restarts === maxRestarts) throw thrown;
          await this.#startOver(thrown);
        }
      }
    } finally {
      endTurn();
    }
  }

  /** One tab at a time downloads a model; the others then find it in the store. */
  async #takeTurn(): Promise<() => void> {
    const { store, id, signal } = this.#opening;
    const { manifest } = this.#state;
    if (!store || !manifest || isComplete(manifest)) return () => {};
    const endTurn = await takeLock(lockName(id), signal, () => showProgress(this.#opening, store));
    const current = await store.manifest(id);
    // Deleted or replaced meanwhile: what this tab reads is not kept.
    const isSame = current?.header.digest === this.#state.headerDigest;
    this.#state = { ...this.#state, manifest: isSame ? current : null };
    return endTurn;
  }

  async *#pass(): AsyncGenerator<WeightChunk> {
    const pass = new ShardPass(this.#opening, this.#plan, this.#state);
    for await (const [plan, shard] of pass.shards()) {
      for (const { tensor, format, firstRow, rows, rowBytes, at } of plan.pieces) {
        const bytes = shard.subarray(at, at + rows * rowBytes);
        yield { tensor, format, firstRow, rows, bytes };
      }
    }
  }

  /** Reads the file's new version, which must have the same header. */
  async #startOver(change: FileChanged): Promise<void> {
    const { location, store, id } = this.#opening;
    await store?.delete(id);
    if (!location) throw change;
    const files = await readFiles(location, this.#opening);
    const digest = await headerDigest(files.parts);
    if (digest !== this.#state.headerDigest) throw change;
    const manifest = store ? await beginStored(this.#opening, files, digest, store) : null;
    this.#state = { ...this.#state, sources: files.sources, manifest };
  }
}
