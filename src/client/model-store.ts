import type { WorkerConnection } from '../rpc/connection.ts';
import type { ModelStore } from './api.ts';

/** The store in the worker; asking for persistence is left to pages by the browser, so that happens here. */
export function createModelStore(connection: WorkerConnection): ModelStore {
  return {
    list: () => connection.call((service) => service.listStored()),
    delete: (id) => connection.call((service) => service.deleteStored(id)),
    verify: (id) => connection.call((service) => service.verifyStored(id)),
    async persist() {
      const storage = globalThis.navigator?.storage as StorageManager | undefined;
      return (await storage?.persist?.().catch(() => false)) ?? false;
    },
    async estimate() {
      const storage = globalThis.navigator?.storage as StorageManager | undefined;
      const estimate = await storage?.estimate?.().catch(() => undefined);
      return { usageBytes: estimate?.usage ?? 0, quotaBytes: estimate?.quota ?? 0 };
    },
  };
}
