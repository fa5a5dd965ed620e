import { toVitrailError, VitrailError } from '../errors.ts';
import type { ModelHeader, TensorInfo } from '../formats/header.ts';
import type { QuantFormat } from '../quant/format.ts';
import { abortableSteps } from './abort.ts';
import type { ByteSource } from './byte-source.ts';
import { FileChanged } from './download.ts';
import { gpuFormat } from './gpu-format.ts';
import { takeLock } from './lock.ts';
import type { ModelDescription, ModelExtra } from './model-files.ts';
import {
  beginStored,
  type Draft,
  draftManifest,
  lockName,
  type Opening,
  readFiles,
  showProgress,
} from './opening.ts';
import { ShardPass } from './shard-pass.ts';
import { gpuBytesOf, planShards, type ShardPlan } from './shard-plan.ts';
import { headerDigest, isComplete, type Manifest, type ShardStore } from './shard-store.ts';

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
  /** `store:<id>` opens the model again where it is stored. */
  id: string;
  name: string;
  header: ModelHeader;
  /** Of all tensors together. */
  gpuBytes: number;
  /** All of it was in this browser's storage when it was opened. */
  cached: boolean;
  /** All of it is there now: true, if it is kept at all, once `chunks()` has come to its end. */
  readonly stored: boolean;
  extra: ModelExtra;
  /** The format that a tensor has on the GPU. */
  formatOf(tensor: TensorInfo): QuantFormat;
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
  /** In the store; null: not there, or not yet. */
  manifest: Manifest | null;
  /** What is to be put into the store when the weights come. */
  draft: Draft | null;
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
  #stored: boolean;

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
    this.#stored = this.cached;
  }

  get stored(): boolean {
    return this.#stored;
  }

  formatOf(tensor: TensorInfo): QuantFormat {
    return gpuFormat(tensor, this.#opening);
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
    } catch (thrown) {
      await this.#dropUseless(thrown);
      throw thrown;
    } finally {
      endTurn();
    }
  }

  /** One tab at a time downloads a model; the others then find it in the store. */
  async #takeTurn(): Promise<() => void> {
    const { store, id, signal } = this.#opening;
    const { manifest, draft } = this.#state;
    if (!store || (manifest ? isComplete(manifest) : !draft)) return () => {};
    const endTurn = await takeLock(lockName(id), signal, () => showProgress(this.#opening, store));
    try {
      this.#state = { ...this.#state, manifest: await this.#ownManifest(store), draft: null };
      return endTurn;
    } catch (thrown) {
      endTurn();
      throw thrown;
    }
  }

  /** The model's place in the store; null where another version has taken it, or where it was deleted meanwhile. */
  async #ownManifest(store: ShardStore): Promise<Manifest | null> {
    const { id, fileDigest } = this.#opening;
    const { headerDigest, draft } = this.#state;
    const found = await store.manifest(id);
    if (!found) return draft && beginStored(draft, store);
    const isSame = found.header.digest === headerDigest;
    const isChecked = fileDigest === null || found.fileDigest === fileDigest;
    return isSame && isChecked ? found : null;
  }

  async *#pass(): AsyncGenerator<WeightChunk> {
    const pass = new ShardPass(this.#opening, this.#plan, this.#state);
    for await (const [plan, shard] of pass.shards()) {
      for (const { tensor, format, firstRow, rows, rowBytes, at } of plan.pieces) {
        const bytes = shard.subarray(at, at + rows * rowBytes);
        yield { tensor, format, firstRow, rows, bytes };
      }
    }
    this.#stored = pass.isStored;
  }

  /** What was stored of a file that turned out to be broken, or another one, is not worth resuming. */
  async #dropUseless(thrown: unknown): Promise<void> {
    const isCorrupt = thrown instanceof VitrailError && thrown.code === 'model-corrupt';
    if (!isCorrupt && !(thrown instanceof FileChanged)) return;
    await this.#opening.store?.delete(this.#opening.id);
  }

  /** Reads the file's new version, which must have the same header. */
  async #startOver(change: FileChanged): Promise<void> {
    const { location, store, id } = this.#opening;
    await store?.delete(id);
    if (!location) throw change;
    const files = await readFiles(location, this.#opening);
    if ((await headerDigest(files.parts)) !== this.#state.headerDigest) throw change;
    const draft = store ? await draftManifest(this.#opening, files) : null;
    const manifest = store && draft ? await beginStored(draft, store) : null;
    this.#state = { ...this.#state, sources: files.sources, manifest };
  }
}
