import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { VitrailError } from '../../errors.ts';
import type { LoadProgress, Source } from '../../types.ts';
import type { Avatar, Runtime, RuntimeOptions } from '../api.ts';
import { createRuntime } from '../runtime.ts';
import { ResourceStore } from './resource.ts';
import { sourceKey } from './source-key.ts';

export interface UseAvatarOptions {
  /** A runtime to share; null while it is loading. Left out: the hook opens one of its own. */
  runtime?: Runtime | null;
  /** For a runtime of its own. */
  runtimeOptions?: RuntimeOptions;
}

export interface UseAvatarResult {
  /** `idle` while there is nothing to load: no source, or the runtime is still null. */
  status: 'idle' | 'loading' | 'ready' | 'error';
  progress: LoadProgress | null;
  avatar: Avatar | null;
  error: VitrailError | null;
}

interface OpenAvatar {
  avatar: Avatar;
  dispose(): Promise<void>;
}

/** Loads an avatar or splats, and frees them when the component goes or the source changes. Attach it to a canvas in an effect. */
export function useAvatar(
  source: Source | null | undefined,
  options: UseAvatarOptions = {},
): UseAvatarResult {
  const { runtime, runtimeOptions } = options;
  const latest = useRef({ source, runtimeOptions });
  useEffect(() => {
    latest.current = { source, runtimeOptions };
  });
  const key = sourceKey(source ?? undefined);
  const waits = !source || runtime === null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the source; options are read late.
  const store = useMemo(
    () => (waits ? null : new ResourceStore(openAvatar(source, latest, runtime))),
    [key, waits, runtime],
  );
  const shown = store ?? idleStore;
  const state = useSyncExternalStore(shown.subscribe, shown.getState, shown.getServerState);
  if (!store) return { status: 'idle', progress: null, avatar: null, error: null };
  const { status, progress, value, error } = state;
  return { status, progress, avatar: value?.avatar ?? null, error };
}

function openAvatar(
  source: Source,
  latest: { current: { runtimeOptions: RuntimeOptions | undefined } },
  shared: Runtime | undefined,
) {
  return async (context: {
    signal: AbortSignal;
    onProgress: (progress: LoadProgress) => void;
  }): Promise<OpenAvatar> => {
    const runtime = shared ?? (await createRuntime(latest.current.runtimeOptions));
    const own = shared ? null : runtime;
    try {
      const avatar = await runtime.loadAvatar(source, context);
      return { avatar, dispose: () => (own ?? avatar).dispose() };
    } catch (thrown) {
      await own?.dispose();
      throw thrown;
    }
  };
}

/** Stands in while there is nothing to load. */
const idleStore: Pick<
  ResourceStore<OpenAvatar, LoadProgress>,
  'subscribe' | 'getState' | 'getServerState'
> = (() => {
  const state = { status: 'loading', progress: null, value: null, error: null } as const;
  return { subscribe: () => () => {}, getState: () => state, getServerState: () => state };
})();
