import { VitrailError } from '../errors.ts';
import type { LoadOptions, LoadPhase } from '../types.ts';
import { FileChanged, type RetryPolicy } from './download.ts';
import { type HeaderPart, type ModelFiles, readModelFiles } from './model-files.ts';
import type { ProgressMeter } from './progress.ts';
import { checkRoom, quotaError } from './quota.ts';
import { gpuBytesOf, planShards } from './shard-plan.ts';
import {
  headerDigest,
  layoutVersion,
  type Manifest,
  QuotaExceeded,
  type ShardStore,
} from './shard-store.ts';
import type { LocalLocation, RemoteLocation } from './source.ts';

/** How the store was set up. */
export interface OpenSettings {
  retryPolicy: Partial<RetryPolicy>;
  maxShardBytes: number;
}

/** What the steps of one opening have in common. */
export interface Opening extends OpenSettings {
  id: string;
  /** Where the weights can be had; null: only in the store. */
  location: RemoteLocation | LocalLocation | null;
  /** Null: nothing is kept. */
  store: ShardStore | null;
  signal: AbortSignal | undefined;
  quantize: LoadOptions['quantize'];
  /** Expected SHA-256 of the file, hexadecimal. */
  fileDigest: string | null;
  meter: ProgressMeter;
}

/** Reads the header from the source, with progress; once more where the file changes meanwhile. */
export async function readFiles(
  location: RemoteLocation | LocalLocation,
  { retryPolicy, signal, meter }: Opening,
): Promise<ModelFiles> {
  const onBytes = (bytes: number, fileBytes: number | null): void => {
    meter.stage({ phase: phaseOf(location), totalBytes: fileBytes ?? 0, cached: false });
    meter.add(bytes);
  };
  const read = (): Promise<ModelFiles> =>
    readModelFiles(location, { retryPolicy, signal, onBytes });
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof FileChanged) return read();
    throw thrown;
  }
}

/** What a load from there is busy with. */
export function phaseOf(location: Opening['location']): LoadPhase {
  return location?.kind === 'local' ? 'repack' : 'download';
}

/** A model that is to be stored as soon as its weights come; not before, since it may turn out to be of no use. */
export interface Draft {
  manifest: Manifest;
  header: HeaderPart[];
}

/** Throws `storage-quota` before anything is fetched that would not fit. */
export async function draftManifest(
  opening: Opening,
  { parts, description, origins }: ModelFiles,
): Promise<Draft> {
  const { id, location, quantize, maxShardBytes } = opening;
  const plan = planShards(description.tensors, opening);
  const headerBytes = parts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  await checkRoom(headerBytes + gpuBytesOf(plan));
  const manifest: Manifest = {
    layoutVersion,
    maxShardBytes,
    id,
    name: location?.name ?? id,
    url: location?.kind === 'remote' ? location.url : null,
    quantize: quantize ?? null,
    files: origins,
    header: { bytes: headerBytes, digest: await headerDigest(parts) },
    shards: plan.map(({ bytes, file, from, to }) => ({ digest: null, bytes, file, from, to })),
    fileDigest: null,
    storedAt: Date.now(),
  };
  return { manifest, header: parts };
}

/** Makes the model's place in the store; null where that fails. Throws `storage-quota`. */
export async function beginStored(
  { manifest, header }: Draft,
  store: ShardStore,
): Promise<Manifest | null> {
  try {
    await store.begin(manifest, header);
    return manifest;
  } catch (thrown) {
    // Whatever else ails the browser's storage, the model can be used without it.
    if (!(thrown instanceof QuotaExceeded)) return null;
    const neededBytes = manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0);
    throw quotaError(manifest.header.bytes + neededBytes, 0, thrown);
  }
}

/** While another tab loads the same model: how far it is. */
export async function showProgress({ id, meter }: Opening, store: ShardStore): Promise<void> {
  const manifest = await store.manifest(id);
  if (!manifest) return;
  const { startBytes, totalBytes } = fileExtent(manifest.shards);
  meter.stage({ phase: 'download', totalBytes, cached: false });
  const stored = manifest.shards.filter(({ digest }) => digest !== null);
  meter.jumpTo(stored.reduce((sum, { from, to }) => sum + to - from, startBytes));
}

/** The first byte of the weights and the end of them, summed over the files. */
export function fileExtent(ranges: readonly { file: number; from: number; to: number }[]): {
  startBytes: number;
  totalBytes: number;
} {
  let startBytes = 0;
  let totalBytes = 0;
  ranges.forEach(({ file, from, to }, index) => {
    if (ranges[index - 1]?.file !== file) startBytes += from;
    if (ranges[index + 1]?.file !== file) totalBytes += to;
  });
  return { startBytes, totalBytes };
}

export function lockName(id: string): string {
  return `vitrail/${id}`;
}

/** A stored copy that is of no use, and nothing to replace it with. */
export function sourceGone(name: string, cause?: unknown): VitrailError {
  return new VitrailError(
    'storage-corrupt',
    `The stored copy of '${name}' is damaged or unfinished, and its file is not at hand.`,
    {
      where: 'weight-store/repair',
      fix: 'Check the connection, or choose the file again: only what is missing is then read anew.',
      detail: { name },
      cause,
    },
  );
}
