import { VitrailError } from '../errors.ts';

export interface StorageEstimate {
  usageBytes: number;
  quotaBytes: number;
}

/** What this origin uses and may use; zeros where the browser does not say. */
export async function estimateStorage(): Promise<StorageEstimate> {
  const estimate = await storageManager()
    ?.estimate?.()
    .catch(() => undefined);
  return { usageBytes: estimate?.usage ?? 0, quotaBytes: estimate?.quota ?? 0 };
}

/**
 * Asks the browser not to clear the storage of this origin on its own; true when it agrees or has agreed before. Only a page
 * may ask, a worker gets false.
 */
export async function persistStorage(): Promise<boolean> {
  const storage = storageManager();
  try {
    if (await storage?.persisted?.()) return true;
    return (await storage?.persist?.()) ?? false;
  } catch {
    return false;
  }
}

/**
 * Throws `storage-quota` where the browser says that so many more bytes do not fit. Some say 10 GiB whatever the disk holds,
 * to tell nothing about the visitor: there the limit shows only when a write fails.
 */
export async function checkRoom(neededBytes: number): Promise<void> {
  const { usageBytes, quotaBytes } = await estimateStorage();
  if (quotaBytes === 0) return;
  const availableBytes = Math.max(0, quotaBytes - usageBytes);
  if (neededBytes > availableBytes) throw quotaError(neededBytes, availableBytes);
}

/** `availableBytes` is what the browser says, or, where it refused a write all the same, what it had taken until then. */
export function quotaError(
  neededBytes: number,
  availableBytes: number,
  cause?: unknown,
): VitrailError {
  const needed = inMebibytes(neededBytes);
  const available = inMebibytes(availableBytes);
  return new VitrailError(
    'storage-quota',
    `The model needs ${needed} of storage, the browser gives it ${available}.`,
    {
      where: 'weight-store/quota',
      fix: 'Delete stored models (store.delete), free space on the disk, or load with cache: false, which keeps nothing.',
      detail: { neededBytes, availableBytes },
      cause,
    },
  );
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

function storageManager(): Partial<StorageManager> | undefined {
  return (globalThis.navigator as Navigator | undefined)?.storage;
}
