import type { WorkerConnection } from '../rpc/connection.ts';
import { estimateStorage, persistStorage } from '../storage/quota.ts';
import type { ModelStore } from './api.ts';

/** The store in the worker. Browsers let only a page ask for persistence, so that happens here. */
export function createModelStore(connection: WorkerConnection): ModelStore {
  return {
    list: () => connection.call((service) => service.listStored()),
    delete: (id) => connection.call((service) => service.deleteStored(id)),
    verify: (id) => connection.call((service) => service.verifyStored(id)),
    persist: () => persistStorage(),
    estimate: () => estimateStorage(),
  };
}
