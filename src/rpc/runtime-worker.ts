import type { Endpoint } from 'comlink';
import { Engine } from '../runtime/engine.ts';
import { weightStore } from '../storage/weight-store.ts';
import { loadTokenizerDefinition } from './load-tokenizer.ts';
import { serveRuntime } from './service.ts';

/** Makes the worker in which this runs the owner of the GPUDevice, at the service of the page that started it. */
export function startRuntimeWorker(): void {
  serveRuntime(
    {
      createEngine: (options) => Engine.create(options),
      loadTokenizerDefinition,
      store: weightStore,
    },
    globalThis as unknown as Endpoint,
  );
}
