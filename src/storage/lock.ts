import { delay } from './abort.ts';

/** How often a waiting tab looks how far the other one is. */
const pollMs = 250;

/**
 * Takes the lock of that name, which one tab of this origin holds at a time; `whileWaiting` is called now and then until it
 * is granted. Returns the function that gives it back. Where the browser has no Web Locks, every tab is alone.
 */
export async function takeLock(
  name: string,
  signal: AbortSignal | undefined,
  whileWaiting: () => Promise<void>,
): Promise<() => void> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!locks) return () => {};
  let waiting = true;
  const granted = new Promise<() => void>((resolve, reject) => {
    const hold = (): Promise<void> => new Promise((release) => resolve(release));
    locks.request(name, signal ? { signal } : {}, hold).catch(reject);
  });
  const stopWaiting = (): void => {
    waiting = false;
  };
  granted.then(stopWaiting, stopWaiting);
  try {
    while (waiting) {
      await Promise.race([granted, delay(pollMs, signal, 'lock/wait')]);
      if (waiting) await whileWaiting();
    }
    return await granted;
  } catch (thrown) {
    // It may be granted at the very moment at which the caller gives up.
    granted.then(
      (release) => release(),
      () => undefined,
    );
    throw thrown;
  }
}
