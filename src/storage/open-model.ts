import { invalidArgument, type VitrailError } from '../errors.ts';
import { quantFormats } from '../quant/registry.ts';
import type { LoadOptions, Source } from '../types.ts';
import type { ByteSource } from './byte-source.ts';
import { parseIntegrity } from './digest.ts';
import { FileChanged, RemoteFile } from './download.ts';
import { takeLock } from './lock.ts';
import { describeParts, type FileOrigin } from './model-files.ts';
import {
  draftManifest,
  lockName,
  type Opening,
  type OpenSettings,
  readFiles,
  showProgress,
  sourceGone,
} from './opening.ts';
import { ProgressMeter } from './progress.ts';
import { checkRoom } from './quota.ts';
import {
  headerDigest,
  isComplete,
  layoutVersion,
  type Manifest,
  type ShardStore,
  unknownModel,
} from './shard-store.ts';
import { locate, modelId, type RemoteLocation } from './source.ts';
import { StreamedModel } from './streamed-model.ts';

export interface OpenOptions {
  signal?: AbortSignal;
  onProgress?: LoadOptions['onProgress'];
  cache?: boolean;
  integrity?: string;
  quantize?: LoadOptions['quantize'];
}

/** See `WeightStore.open`. */
export async function openModelFrom(
  source: Source,
  options: OpenOptions,
  shards: ShardStore,
  settings: OpenSettings,
): Promise<StreamedModel> {
  const { signal, integrity, quantize } = options;
  checkQuantize(quantize);
  const common = {
    ...settings,
    signal,
    fileDigest: integrity === undefined ? null : parseIntegrity(integrity),
    meter: new ProgressMeter(options.onProgress),
  };
  const location = await locate(source, signal);
  if (location.kind === 'stored') return openStored(location.id, shards, common);
  const id = await modelId(location, quantize);
  const keeps = options.cache !== false && (await shards.isAvailable());
  const opening = { ...common, id, location, store: keeps ? shards : null, quantize };
  return keeps ? openThrough(opening, shards) : fresh(opening, location);
}

function checkQuantize(quantize: OpenOptions['quantize']): void {
  const possible = quantFormats.filter((format) => format.quantize).map(({ name }) => name);
  if (quantize === undefined || possible.includes(quantize)) return;
  throw invalidArgument(
    'open-model/quantize',
    `Models cannot be quantized to '${quantize}' on load.`,
    `Pass one of ${possible.join(', ')} as quantize, or leave it out.`,
  );
}

type Located = Opening & { location: NonNullable<Opening['location']> };

/** From the store where the model is there whole; else one tab at a time takes up, or begins, what is missing. */
async function openThrough(opening: Located, store: ShardStore): Promise<StreamedModel> {
  const { id, location, signal } = opening;
  const whole = await store.manifest(id);
  if (whole && isComplete(whole) && isUsable(whole, opening)) {
    const model = await kept(opening, store, whole);
    if (model) return model;
  }
  const unlock = await takeLock(lockName(id), signal, () => showProgress(opening, store));
  try {
    const manifest = await store.manifest(id);
    if (manifest && isUsable(manifest, opening) && (await isUnchanged(manifest, opening))) {
      const model = await kept(opening, store, manifest);
      if (model) return model;
    }
    if (manifest) await store.delete(id);
    return await fresh(opening, location);
  } finally {
    unlock();
  }
}

async function openStored(
  id: string,
  store: ShardStore,
  common: OpenSettings & Pick<Opening, 'signal' | 'fileDigest' | 'meter'>,
): Promise<StreamedModel> {
  const manifest = (await store.isAvailable()) ? await store.manifest(id) : undefined;
  if (!manifest) throw unknownModel(id);
  const { url, name } = manifest;
  const quantize = manifest.quantize ?? undefined;
  if (url !== null) {
    const location: RemoteLocation = { kind: 'remote', url, name };
    return openThrough({ ...common, id, location, store, quantize }, store);
  }
  const opening: Opening = { ...common, id, location: null, store, quantize };
  const isWhole = isComplete(manifest) && isUsable(manifest, opening);
  const model = isWhole ? await kept(opening, store, manifest) : undefined;
  if (!model) throw sourceGone(name);
  return model;
}

/** A copy in another layout is of no use, nor is one whose integrity cannot be told. */
function isUsable(manifest: Manifest, { fileDigest, maxShardBytes }: Opening): boolean {
  if (manifest.layoutVersion !== layoutVersion) return false;
  if (manifest.maxShardBytes !== maxShardBytes) return false;
  return fileDigest === null || (isComplete(manifest) && manifest.fileDigest === fileDigest);
}

/** The model from the store, whole or in part; undefined where its header is damaged. Throws `storage-quota`. */
async function kept(
  opening: Opening,
  store: ShardStore,
  manifest: Manifest,
): Promise<StreamedModel | undefined> {
  const { location, retryPolicy } = opening;
  const parts = await store.header(manifest);
  if (!parts) return undefined;
  const missing = manifest.shards.filter(({ digest }) => digest === null);
  await checkRoom(missing.reduce((sum, { bytes }) => sum + bytes, 0));
  const sizes = manifest.files.map(({ size }) => size);
  return new StreamedModel(opening, {
    name: manifest.name,
    description: describeParts(parts, sizes),
    sources: manifest.files.map((file) => sourceOf(file, location, retryPolicy)),
    headerDigest: manifest.header.digest,
    manifest,
    draft: null,
  });
}

function sourceOf(
  file: FileOrigin,
  location: Opening['location'],
  retryPolicy: Opening['retryPolicy'],
): ByteSource | null {
  if (file.url !== null) return new RemoteFile(file.url, file, retryPolicy);
  return location?.kind === 'local' ? location.source : null;
}

/** Is what is missing of an unfinished download still of the same files? */
async function isUnchanged(manifest: Manifest, { retryPolicy, signal }: Opening): Promise<boolean> {
  if (isComplete(manifest)) return true;
  try {
    for (const file of manifest.files) {
      if (file.url === null) continue;
      await new RemoteFile(file.url, file, retryPolicy).checkUnchanged(signal);
    }
    return true;
  } catch (thrown) {
    if (thrown instanceof FileChanged) return false;
    throw thrown;
  }
}

/** The model from its source. Throws `storage-quota` where it is to be kept and does not fit. */
async function fresh(opening: Opening, location: Located['location']): Promise<StreamedModel> {
  const { store, fileDigest } = opening;
  const files = await readFiles(location, opening);
  if (fileDigest !== null && files.sources.length > 1) throw severalFiles(location.name);
  return new StreamedModel(opening, {
    name: location.name,
    description: files.description,
    sources: files.sources,
    headerDigest: await headerDigest(files.parts),
    manifest: null,
    draft: store ? await draftManifest(opening, files) : null,
  });
}

function severalFiles(name: string): VitrailError {
  return invalidArgument(
    'open-model/integrity',
    `'${name}' has its weights in several files, which one digest cannot cover.`,
    "Leave 'integrity' out, or use a model in a single file.",
  );
}
