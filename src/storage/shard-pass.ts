import { VitrailError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { createStreamDigest, type StreamDigest, sha256Hex } from './digest.ts';
import { FileChanged } from './download.ts';
import { fileExtent, type Opening, phaseOf, sourceGone } from './opening.ts';
import { quotaError } from './quota.ts';
import { repackShard } from './repack.ts';
import { gpuBytesOf, type ShardPlan } from './shard-plan.ts';
import {
  isComplete,
  type Manifest,
  QuotaExceeded,
  type ShardStore,
  storedBytes,
} from './shard-store.ts';
import type { ModelState } from './streamed-model.ts';

type Shard = Uint8Array<ArrayBuffer>;

/** Shards that are read from the store ahead of the consumer. */
const readAhead = 3;
/** A shorter gap in the file is read over; a longer one is worth a new request. */
const maxGapBytes = 2 * 2 ** 20;

/** One way through all shards of a model: those in the store come from there, the others from the source, and are kept. */
export class ShardPass {
  readonly #opening: Opening;
  readonly #plan: readonly ShardPlan[];
  readonly #sources: ModelState['sources'];
  readonly #name: string;
  readonly #manifest: Manifest | null;
  readonly #cached: boolean;
  /** Null when nothing is kept, or no longer. */
  #store: ShardStore | null;
  readonly #ahead = new Map<number, Promise<Shard | undefined>>();
  #reader: { file: number; bytes: ByteReader } | null = null;
  /** Grows with the whole file where its integrity is to be checked. */
  #wholeFile: StreamDigest | null = null;
  /** The write that is under way: at most one, while the consumer uploads the same shard. */
  #writing: Promise<void> = Promise.resolve();

  constructor(opening: Opening, plan: readonly ShardPlan[], state: ModelState) {
    this.#opening = opening;
    this.#plan = plan;
    this.#sources = state.sources;
    this.#name = state.name;
    this.#manifest = state.manifest;
    this.#store = state.manifest ? opening.store : null;
    this.#cached = state.manifest !== null && isComplete(state.manifest);
  }

  /** Every shard with its plan, in order; each is valid until the next is asked for. Throws `FileChanged` besides what an opening throws. */
  async *shards(): AsyncGenerator<[ShardPlan, Shard]> {
    await this.#start();
    try {
      for (const [index, plan] of this.#plan.entries()) {
        const shard = (await this.#stored(index)) ?? (await this.#fetch(index, plan));
        yield [plan, shard];
        // The consumer is back for more; a write of this shard may still be under way.
        void this.#writing.then(() => release(shard)).catch(() => undefined);
      }
      await this.#checkWholeFile();
      await this.#writing;
      this.#opening.meter.finish();
    } finally {
      await this.#reader?.bytes.close();
    }
  }

  /** After the last shard: all of them are in the store. */
  get isStored(): boolean {
    return this.#store !== null;
  }

  async #start(): Promise<void> {
    const { meter, location, fileDigest } = this.#opening;
    const phase = this.#cached ? 'verify' : phaseOf(location);
    const { startBytes, totalBytes } = fileExtent(this.#plan);
    meter.stage({ phase, totalBytes, cached: this.#cached });
    meter.jumpTo(startBytes);
    const mustCheck = fileDigest !== null && !this.#cached;
    this.#wholeFile = mustCheck ? await createStreamDigest() : null;
  }

  /** A shard from the store; undefined where it is missing or damaged. */
  async #stored(index: number): Promise<Shard | undefined> {
    for (let ahead = index; ahead < index + readAhead; ahead += 1) this.#readAhead(ahead);
    const reading = this.#ahead.get(index);
    this.#ahead.delete(index);
    const shard = await reading;
    const plan = this.#plan[index];
    if (shard && plan) this.#countStored(plan.to - plan.from);
    return shard;
  }

  #countStored(bytes: number): void {
    const { meter } = this.#opening;
    if (this.#cached) meter.add(bytes);
    else meter.skip(bytes);
  }

  #readAhead(index: number): void {
    const record = this.#manifest?.shards[index];
    if (!record || record.digest === null || !this.#store || this.#ahead.has(index)) return;
    // A read that fails leaves the shard as good as missing.
    this.#ahead.set(
      index,
      this.#store.shard(record).catch(() => undefined),
    );
  }

  /** A shard from the source, which is then kept. */
  async #fetch(index: number, plan: ShardPlan): Promise<Shard> {
    const known = this.#manifest?.shards[index]?.digest ?? null;
    try {
      const shard = await repackShard(plan, await this.#readerAt(index, plan));
      if (this.#store) await this.#keep(this.#store, index, shard, known);
      return shard;
    } catch (thrown) {
      if (known === null || !isUnreachable(thrown)) throw thrown;
      await this.#store?.dropShard(this.#opening.id, index);
      throw sourceGone(this.#name, thrown);
    }
  }

  /** A reader of the shard's file that has not passed its first byte; the present one where that is near enough. */
  async #readerAt(index: number, plan: ShardPlan): Promise<ByteReader> {
    const present = this.#reader;
    const gap = present?.file === plan.file ? plan.from - present.bytes.position : -1;
    if (present && gap >= 0 && (gap <= maxGapBytes || this.#wholeFile)) return present.bytes;
    await present?.bytes.close();
    const source = this.#sources[plan.file];
    if (!source) throw sourceGone(this.#name);
    const { meter, signal } = this.#opening;
    const wholeFile = this.#wholeFile;
    const onPiece = (piece: Uint8Array): void => {
      meter.add(piece.byteLength);
      wholeFile?.update(piece);
    };
    const from = wholeFile ? 0 : plan.from;
    const to = wholeFile ? null : this.#endOfMissing(index);
    const bytes = new ByteReader(source, from, to, onPiece, signal);
    this.#reader = { file: plan.file, bytes };
    return bytes;
  }

  /** The end, in the file, of the shards from `index` on that have to be fetched. */
  #endOfMissing(index: number): number {
    const { file } = this.#plan[index] as ShardPlan;
    let last = index;
    const isMissing = (next: number): boolean =>
      this.#plan[next]?.file === file && (this.#manifest?.shards[next]?.digest ?? null) === null;
    while (isMissing(last + 1)) last += 1;
    return (this.#plan[last] as ShardPlan).to;
  }

  async #keep(store: ShardStore, index: number, shard: Shard, known: string | null): Promise<void> {
    const digest = await sha256Hex(shard);
    // Not what the manifest says although nothing else has changed: the source is another file by now.
    if (known !== null && known !== digest) throw new FileChanged(this.#name);
    await this.#writing;
    this.#writing = this.#write(store, index, digest, shard);
    // Awaited before the next write; until then a failure is no unhandled one.
    this.#writing.catch(() => undefined);
  }

  async #write(store: ShardStore, index: number, digest: string, shard: Shard): Promise<void> {
    const { id } = this.#opening;
    try {
      if (!(await store.addShard(id, index, digest, shard))) this.#store = null;
    } catch (thrown) {
      // Whatever else ails the browser's storage, the model can be used without it.
      this.#store = null;
      if (!(thrown instanceof QuotaExceeded)) return;
      const manifest = await store.manifest(id);
      await store.delete(id);
      throw quotaError(gpuBytesOf(this.#plan), manifest ? storedBytes(manifest) : 0, thrown);
    }
  }

  /** Compares the digest of the whole file, where the caller gave one. */
  async #checkWholeFile(): Promise<void> {
    const { id, fileDigest } = this.#opening;
    if (!this.#wholeFile || fileDigest === null) return;
    if (!this.#reader) await this.#readerAt(0, { ...emptyPlan });
    await this.#reader?.bytes.drain();
    const found = this.#wholeFile.finish();
    await this.#writing;
    if (found === fileDigest) {
      await this.#store?.update(id, (manifest) => {
        manifest.fileDigest = found;
      });
      return;
    }
    throw integrityError(this.#name, fileDigest, found);
  }
}

/**
 * Gives the memory back at once. Left to the garbage collector, shards pile up: it sees small objects and is in no hurry.
 * Browsers that lack `transfer` wait for the collector.
 */
function release({ buffer }: Shard): void {
  (buffer as ArrayBuffer & { transfer?: (bytes: number) => ArrayBuffer }).transfer?.(0);
}

/** The network failed, or there is no source at all. */
function isUnreachable(thrown: unknown): boolean {
  if (!(thrown instanceof VitrailError) || thrown instanceof FileChanged) return false;
  return thrown.code === 'network' || thrown.code === 'storage-corrupt';
}

const emptyPlan: ShardPlan = { pieces: [], bytes: 0, file: 0, from: 0, to: 0 };

function integrityError(name: string, expected: string, found: string): VitrailError {
  return new VitrailError('model-corrupt', `'${name}' is not the file that 'integrity' names.`, {
    where: 'shard-pass/integrity',
    fix: 'Check the address, and the integrity value against the SHA-256 that the publisher gives.',
    detail: { expectedSha256: expected, foundSha256: found },
  });
}
