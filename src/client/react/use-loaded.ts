import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { VitrailError } from '../../errors.ts';
import type { LoadProgress, Source } from '../../types.ts';
import type { Runtime, RuntimeOptions } from '../api.ts';
import { createRuntime } from '../runtime.ts';
import { ResourceStore } from './resource.ts';
import { sourceKey } from './source-key.ts';

export interface UseLoadedOptions {
  /** A runtime to share; null while it is loading. Left out: the hook opens one of its own. */
  runtime?: Runtime | null;
  /** For a runtime of its own. */
  runtimeOptions?: RuntimeOptions;
}

export interface UseLoadedResult<Loaded> {
  /** `idle` while there is nothing to load: the source, or the runtime, is still null. */
  status: 'idle' | 'loading' | 'ready' | 'error';
  progress: LoadProgress | null;
  value: Loaded | null;
  error: VitrailError | null;
}

interface Disposable {
  dispose(): Promise<void>;
}

interface Open<Loaded> extends Disposable {
  loaded: Loaded;
}

interface LoadContext {
  signal: AbortSignal;
  onProgress: (progress: LoadProgress) => void;
}

type Load<Loaded> = (
  runtime: Runtime,
  source: Source | undefined,
  context: LoadContext,
) => Promise<Loaded>;

/**
 * Loads something of a runtime and frees it when the component goes or the source changes. `null` waits; `undefined` means what is
 * embedded.
 */
export function useLoaded<Loaded extends Disposable>(
  source: Source | null | undefined,
  { runtime, runtimeOptions }: UseLoadedOptions,
  load: Load<Loaded>,
): UseLoadedResult<Loaded> {
  const latest = useRef({ runtimeOptions });
  useEffect(() => {
    latest.current = { runtimeOptions };
  });
  const key = sourceKey(source ?? undefined);
  const waits = source === null || runtime === null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the source; options are read late.
  const store = useMemo(
    () =>
      waits
        ? null
        : new ResourceStore<Open<Loaded>, LoadProgress>(async (context) => {
            const used = runtime ?? (await createRuntime(latest.current.runtimeOptions));
            const own = runtime ? null : used;
            try {
              const loaded = await load(used, source, context);
              return { loaded, dispose: () => (own ?? loaded).dispose() };
            } catch (thrown) {
              await own?.dispose();
              throw thrown;
            }
          }),
    [key, waits, runtime],
  );
  const shown = store ?? idleStore;
  const state = useSyncExternalStore(shown.subscribe, shown.getState, shown.getServerState);
  if (!store) return { status: 'idle', progress: null, value: null, error: null };
  const { status, progress, value, error } = state;
  return { status, progress, value: (value as Open<Loaded> | null)?.loaded ?? null, error };
}

/** Stands in while there is nothing to load. */
const idleStore = (() => {
  const state = { status: 'loading', progress: null, value: null, error: null } as const;
  return { subscribe: () => () => {}, getState: () => state, getServerState: () => state };
})();
