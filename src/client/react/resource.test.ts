import { describe, expect, it } from 'vitest';
import { VitrailError } from '../../errors.ts';
import { ResourceStore } from './resource.ts';

const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** A store that counts what it opened and disposed. */
function countingStore(open: () => Promise<void> = async () => {}) {
  const counts = { opened: 0, disposed: 0, aborted: 0 };
  const store = new ResourceStore<{ dispose(): Promise<void> }, number>(
    async ({ signal, onProgress }) => {
      counts.opened += 1;
      signal.addEventListener('abort', () => {
        counts.aborted += 1;
      });
      onProgress(0.5);
      await open();
      return {
        dispose: async () => {
          counts.disposed += 1;
        },
      };
    },
  );
  return { store, counts };
}

describe('a resource store', () => {
  it('does nothing before someone subscribes, so that a server can render', async () => {
    const { store, counts } = countingStore();
    expect(store.getServerState()).toMatchObject({ status: 'loading', value: null });
    await nextTask();
    expect(counts.opened).toBe(0);
  });

  it('opens once for several subscribers and disposes after the last', async () => {
    const { store, counts } = countingStore();
    const leave = [store.subscribe(() => {}), store.subscribe(() => {})];
    await nextTask();
    expect(store.getState().status).toBe('ready');
    leave[0]?.();
    await nextTask();
    expect(counts).toMatchObject({ opened: 1, disposed: 0 });
    leave[1]?.();
    await nextTask();
    expect(counts).toMatchObject({ opened: 1, disposed: 1 });
    expect(store.getState().status).toBe('loading');
  });

  it('survives leaving and coming back in one task, as StrictMode does', async () => {
    const { store, counts } = countingStore();
    store.subscribe(() => {})();
    const leave = store.subscribe(() => {});
    await nextTask();
    expect(counts).toMatchObject({ opened: 1, disposed: 0, aborted: 0 });
    leave();
  });

  it('aborts what is still opening, and disposes it if it opens all the same', async () => {
    let finish: () => void = () => {};
    const { store, counts } = countingStore(
      () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    );
    store.subscribe(() => {})();
    await nextTask();
    expect(counts).toMatchObject({ aborted: 1, disposed: 0 });
    finish();
    await nextTask();
    expect(counts.disposed).toBe(1);
    expect(store.getState().status).toBe('loading');
  });

  it('shows progress, then a failure as a typed error', async () => {
    const failure = new VitrailError('network', 'Down.', { where: 'test', fix: 'Wait.' });
    const { store } = countingStore(async () => Promise.reject(failure));
    const seen: unknown[] = [];
    const leave = store.subscribe(() => seen.push(store.getState()));
    await nextTask();
    expect(seen).toMatchObject([{ status: 'error', error: failure, value: null }]);
    leave();
  });
});
