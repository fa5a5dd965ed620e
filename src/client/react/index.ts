import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { VitrailError } from '../../errors.ts';
import type { LoadOptions, LoadProgress, Source } from '../../types.ts';
import type { LanguageModel, Runtime, RuntimeOptions } from '../api.ts';
import {
  type Chat,
  type ChatMessage,
  type ChatOptions,
  type ChatState,
  createChat,
} from '../chat.ts';
import { createRuntime } from '../runtime.ts';
import { ResourceStore } from './resource.ts';
import { sourceKey } from './source-key.ts';

export type { Chat, ChatMessage, ChatOptions, ChatState, ChatStatus } from '../chat.ts';
export { messageText } from '../chat.ts';
export { type UseAvatarOptions, type UseAvatarResult, useAvatar } from './use-avatar.ts';
export { type UseDetectorOptions, type UseDetectorResult, useDetector } from './use-detector.ts';

export type UseRuntimeResult =
  | { status: 'loading'; runtime: null; error: null }
  | { status: 'ready'; runtime: Runtime; error: null }
  | { status: 'error'; runtime: null; error: VitrailError };

/**
 * A runtime that lives as long as the component. Options are read when it starts. Several components share one by
 * passing it down: each call of the hook opens a GPU device of its own.
 */
export function useRuntime(options: RuntimeOptions = {}): UseRuntimeResult {
  const latest = useLatest(options);
  const [store] = useState(() => new ResourceStore(() => createRuntime(latest.current)));
  const { status, value, error } = useStore(store);
  return { status, runtime: value, error } as UseRuntimeResult;
}

export interface UseModelOptions extends Omit<LoadOptions, 'signal' | 'onProgress'> {
  /** A runtime to share; null while it is loading. Left out: the hook opens one of its own. */
  runtime?: Runtime | null;
  /** For a runtime of its own. */
  runtimeOptions?: RuntimeOptions;
  /** False: wait. Default true. */
  enabled?: boolean;
}

export interface UseModelResult {
  /** `idle` while there is nothing to load with: not enabled, or the runtime is still null. */
  status: 'idle' | 'loading' | 'ready' | 'error';
  /** How far the load is; null before it begins and after it ended. */
  progress: LoadProgress | null;
  model: LanguageModel | null;
  error: VitrailError | null;
}

/**
 * Loads a model, and frees it when the component goes or the source changes. A source that is left out means the
 * embedded model. Other options are read when the load starts.
 */
export function useModel(source?: Source, options: UseModelOptions = {}): UseModelResult {
  const { runtime, enabled = true } = options;
  const latest = useLatest({ source, options });
  const key = sourceKey(source);
  const waits = !enabled || runtime === null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the source; options are read late.
  const store = useMemo(
    () => (waits ? null : new ResourceStore(openModel(latest, runtime))),
    [key, waits, runtime],
  );
  const state = useStore(store ?? idleStore);
  if (!store) return { status: 'idle', progress: null, model: null, error: null };
  const { status, progress, value, error } = state;
  return { status, progress, model: value?.model ?? null, error };
}

/** A loaded model, and the runtime below it where that belongs to the hook. */
interface OpenModel {
  model: LanguageModel;
  dispose(): Promise<void>;
}

type Latest = { current: { source: Source | undefined; options: UseModelOptions } };

function openModel(latest: Latest, shared: Runtime | undefined) {
  return async (context: {
    signal: AbortSignal;
    onProgress: (progress: LoadProgress) => void;
  }): Promise<OpenModel> => {
    const { source, options } = latest.current;
    const { runtime: _, runtimeOptions, enabled: __, ...loadOptions } = options;
    const runtime = shared ?? (await createRuntime(runtimeOptions));
    const own = shared ? null : runtime;
    try {
      const model = await runtime.loadModel(source, { ...loadOptions, ...context });
      return { model, dispose: () => (own ?? model).dispose() };
    } catch (thrown) {
      await own?.dispose();
      throw thrown;
    }
  };
}

/** Stands in while there is nothing to load; never opened, because nothing it gives is shown. */
const idleStore: Pick<
  ResourceStore<OpenModel, LoadProgress>,
  'subscribe' | 'getState' | 'getServerState'
> = (() => {
  const state = { status: 'loading', progress: null, value: null, error: null } as const;
  return { subscribe: () => () => {}, getState: () => state, getServerState: () => state };
})();

export interface UseChatOptions extends ChatOptions {
  /** The conversation to begin with. */
  messages?: readonly ChatMessage[];
}

export interface UseChatResult
  extends ChatState,
    Omit<Chat, 'options' | 'getState' | 'subscribe'> {}

/** A conversation with a model. Options may change at any time; they apply from the next answer on. */
export function useChat(options: UseChatOptions = {}): UseChatResult {
  const [chat] = useState(() => createChat(options, options.messages));
  useEffect(() => {
    chat.options = options;
  });
  useEffect(() => () => void chat.stop(), [chat]);
  const [actions] = useState(() => ({
    subscribe: chat.subscribe.bind(chat),
    getState: chat.getState.bind(chat),
    sendMessage: chat.sendMessage.bind(chat),
    regenerate: chat.regenerate.bind(chat),
    stop: chat.stop.bind(chat),
    setMessages: chat.setMessages.bind(chat),
    clearError: chat.clearError.bind(chat),
  }));
  const state = useSyncExternalStore(actions.subscribe, actions.getState, actions.getState);
  const { subscribe: _, getState: __, ...rest } = actions;
  return { ...state, ...rest };
}

function useStore<Value extends { dispose(): Promise<void> }, Progress>(
  store: Pick<ResourceStore<Value, Progress>, 'subscribe' | 'getState' | 'getServerState'>,
): ReturnType<ResourceStore<Value, Progress>['getState']> {
  return useSyncExternalStore(store.subscribe, store.getState, store.getServerState);
}

/** The value of the latest render, for what runs later. */
function useLatest<Value>(value: Value): { readonly current: Value } {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
}
