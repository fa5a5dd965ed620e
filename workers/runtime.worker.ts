import type { Endpoint } from 'comlink';
import { loadTokenizerDefinition } from '../src/rpc/load-tokenizer.ts';
import { serveRuntime } from '../src/rpc/service.ts';
import { Engine } from '../src/runtime/engine.ts';
import { weightStore } from '../src/storage/weight-store.ts';

/** The worker that owns the GPUDevice. */
serveRuntime(
  {
    createEngine: (options) => Engine.create(options),
    loadTokenizerDefinition,
    store: weightStore,
  },
  globalThis as unknown as Endpoint,
);
