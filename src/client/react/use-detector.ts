import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { VitrailError } from '../../errors.ts';
import type { Source } from '../../types.ts';
import type { Detector, Runtime, RuntimeOptions } from '../api.ts';
import { createRuntime } from '../runtime.ts';
import { ResourceStore } from './resource.ts';
import { sourceKey } from './source-key.ts';

export interface UseDetectorOptions {
  /** A runtime to share; null while it is loading. Left out: the hook opens one of its own. */
  runtime?: Runtime | null;
  /** For a runtime of its own. */
  runtimeOptions?: RuntimeOptions;
}

export interface UseDetectorResult {
  /** `idle` while there is nothing to load: the source is null, or the runtime still is. */
  status: 'idle' | 'loading' | 'ready' | 'error';
  detector: Detector | null;
  error: VitrailError | null;
}

interface OpenDetector {
  detector: Detector;
  dispose(): Promise<void>;
}

/** Loads a detector, the embedded one without a source, and frees it when the component goes or the source changes. Attach it to a video in an effect. */
export function useDetector(
  source?: Source | null,
  options: UseDetectorOptions = {},
): UseDetectorResult {
  const { runtime, runtimeOptions } = options;
  const latest = useRef({ source, runtimeOptions });
  useEffect(() => {
    latest.current = { source, runtimeOptions };
  });
  const key = sourceKey(source ?? undefined);
  const waits = source === null || runtime === null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the source; options are read late.
  const store = useMemo(
    () => (waits ? null : new ResourceStore(openDetector(source ?? undefined, latest, runtime))),
    [key, waits, runtime],
  );
  const shown = store ?? idleStore;
  const state = useSyncExternalStore(shown.subscribe, shown.getState, shown.getServerState);
  if (!store) return { status: 'idle', detector: null, error: null };
  const { status, value, error } = state;
  return { status, detector: value?.detector ?? null, error };
}

function openDetector(
  source: Source | undefined,
  latest: { current: { runtimeOptions: RuntimeOptions | undefined } },
  shared: Runtime | undefined,
) {
  return async ({ signal }: { signal: AbortSignal }): Promise<OpenDetector> => {
    const runtime = shared ?? (await createRuntime(latest.current.runtimeOptions));
    const own = shared ? null : runtime;
    try {
      const detector = await runtime.loadDetector(source, { signal });
      return { detector, dispose: () => (own ?? detector).dispose() };
    } catch (thrown) {
      await own?.dispose();
      throw thrown;
    }
  };
}

/** Stands in while there is nothing to load. */
const idleStore: Pick<
  ResourceStore<OpenDetector>,
  'subscribe' | 'getState' | 'getServerState'
> = (() => {
  const state = { status: 'loading', progress: null, value: null, error: null } as const;
  return { subscribe: () => () => {}, getState: () => state, getServerState: () => state };
})();
