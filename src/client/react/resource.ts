import { toVitrailError, type VitrailError } from '../../errors.ts';

/** Something that is opened in the background and has to be disposed: a runtime, a model. */
export type ResourceState<Value, Progress> =
  | { status: 'loading'; progress: Progress | null; value: null; error: null }
  | { status: 'ready'; progress: null; value: Value; error: null }
  | { status: 'error'; progress: null; value: null; error: VitrailError };

type Open<Value, Progress> = (context: {
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}) => Promise<Value>;

/**
 * An external store (in React's sense) that opens its value for the first subscriber and disposes it after the last.
 * Leaving and coming back in one task, as StrictMode does, keeps the value. Nothing happens before someone subscribes,
 * so rendering on a server has no effect.
 */
export class ResourceStore<Value extends { dispose(): Promise<void> }, Progress = never> {
  readonly #open: Open<Value, Progress>;
  readonly #listeners = new Set<() => void>();
  #state: ResourceState<Value, Progress> = loadingState;
  #opening: { abort: AbortController; value: Promise<Value> } | undefined;

  constructor(open: Open<Value, Progress>) {
    this.#open = open;
  }

  readonly getState = (): ResourceState<Value, Progress> => this.#state;

  /** On a server, and while the page takes over what the server rendered. */
  readonly getServerState = (): ResourceState<Value, Progress> => loadingState;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#opening) this.#start();
    return () => {
      this.#listeners.delete(listener);
      setTimeout(() => this.#closeIfUnused());
    };
  };

  #start(): void {
    const abort = new AbortController();
    const onProgress = (progress: Progress): void => {
      if (this.#opening?.abort === abort) this.#set({ ...loadingState, progress });
    };
    const value = this.#open({ signal: abort.signal, onProgress });
    this.#opening = { abort, value };
    value.then(
      (opened) => this.#settle(abort, { ...loadingState, status: 'ready', value: opened }),
      (thrown) => {
        const error = toVitrailError(thrown, 'react/open');
        this.#settle(abort, { ...loadingState, status: 'error', error });
      },
    );
  }

  #settle(abort: AbortController, state: ResourceState<Value, Progress>): void {
    if (this.#opening?.abort === abort) this.#set(state);
  }

  #closeIfUnused(): void {
    if (this.#listeners.size > 0 || !this.#opening) return;
    const { abort, value } = this.#opening;
    this.#opening = undefined;
    this.#state = loadingState;
    abort.abort();
    value.then((opened) => opened.dispose()).catch(() => {});
  }

  #set(state: ResourceState<Value, Progress>): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

const loadingState = { status: 'loading', progress: null, value: null, error: null } as const;
