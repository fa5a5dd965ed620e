import { VitrailError } from '../errors.ts';
import type { LoadOptions, LoadPhase } from '../types.ts';
import { FileChanged, type RetryPolicy } from './download.ts';
import { type ModelFiles, readModelFiles } from './model-files.ts';
import type { ProgressMeter } from './progress.ts';
import { checkRoom, persistStorage, quotaErrorNow } from './quota.ts';
import { gpuBytesOf, planShards } from './shard-plan.ts';
import { layoutVersion, type Manifest, QuotaExceeded, type ShardStore } from './shard-store.ts';
import type { LocalLocation, RemoteLocation } from './source.ts';

/** What the steps of one opening have in common. */
export interface Opening {
  id: string;
  /** Where the weights can be had; null: only in the store. */
  location: RemoteLocation | LocalLocation | null;
  /** Null: nothing is kept. */
  store: ShardStore | null;
  retryPolicy: Partial<RetryPolicy>;
  signal: AbortSignal | undefined;
  quantize: LoadOptions['quantize'];
  /** Expected SHA-256 of the file, hexadecimal. */
  fileDigest: string | null;
  meter: ProgressMeter;
}

/** Reads the header from the source, with progress. Throws `network` when the file changes twice meanwhile. */
export async function readFiles(
  location: RemoteLocation | LocalLocation,
  opening: Opening,
): Promise<ModelFiles> {
  try {
    return await readFilesOnce(location, opening);
  } catch (thrown) {
    if (!(thrown instanceof FileChanged)) throw thrown;
  }
  try {
    return await readFilesOnce(location, opening);
  } catch (thrown) {
    throw thrown instanceof FileChanged ? changedError(location.name, thrown) : thrown;
  }
}

function readFilesOnce(
  location: RemoteLocation | LocalLocation,
  { retryPolicy, signal, meter }: Opening,
): Promise<ModelFiles> {
  const onBytes = (bytes: number, fileBytes: number | null): void => {
    meter.stage({ phase: phaseOf(location), totalBytes: fileBytes ?? 0, cached: false });
    meter.add(bytes);
  };
  return readModelFiles(location, { retryPolicy, signal, onBytes });
}

/** What a load from there is busy with. */
export function phaseOf(location: Opening['location']): LoadPhase {
  return location?.kind === 'local' ? 'repack' : 'download';
}

/** Throws `storage-quota` before anything is fetched that would not fit. */
export async function beginStored(
  { id, location, quantize }: Opening,
  { parts, description, origins }: ModelFiles,
  digest: string,
  store: ShardStore,
): Promise<Manifest> {
  const plan = planShards(description.tensors, { quantize });
  const headerBytes = parts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const manifest: Manifest = {
    layoutVersion,
    id,
    name: location?.name ?? id,
    url: location?.kind === 'remote' ? location.url : null,
    quantize: quantize ?? null,
    files: origins,
    header: { bytes: headerBytes, digest },
    shards: plan.map(({ bytes, file, from, to }) => ({ digest: null, bytes, file, from, to })),
    fileDigest: null,
    storedAt: Date.now(),
  };
  const neededBytes = headerBytes + gpuBytesOf(plan);
  await checkRoom(neededBytes);
  await persistStorage();
  try {
    await store.begin(manifest, parts);
  } catch (thrown) {
    if (thrown instanceof QuotaExceeded) throw await quotaErrorNow(neededBytes, thrown);
    throw thrown;
  }
  return manifest;
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
      fix: 'Load the model from its file or address again: only what is missing is read anew.',
      detail: { name },
      cause,
    },
  );
}

export function changedError(name: string, cause: unknown): VitrailError {
  return new VitrailError('network', `'${name}' changed on the server while it was being read.`, {
    where: 'weight-store/restart',
    fix: 'Load the model again: it is then read from the beginning.',
    detail: { name },
    cause,
  });
}
