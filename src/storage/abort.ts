import { abortedError, throwIfAborted } from '../errors.ts';

/** Settles with the promise, or rejects with `aborted` as soon as the signal fires; the promise's own end is then ignored. */
export async function abortable<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
  where: string,
): Promise<Value> {
  if (!signal) return promise;
  promise.catch(() => undefined);
  throwIfAborted(signal, where);
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortedError(where, signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The same for each step of a generator; an abort, like leaving the loop, ends the generator. */
export async function* abortableSteps<Value>(
  steps: AsyncGenerator<Value>,
  signal: AbortSignal | undefined,
  where: string,
): AsyncGenerator<Value> {
  try {
    for (;;) {
      const step = await abortable(steps.next(), signal, where);
      if (step.done) return;
      yield step.value;
    }
  } finally {
    // Not awaited: a generator ends only after its present step, and the caller must not wait for that.
    steps.return(undefined).catch(() => undefined);
  }
}

/** Waits; rejects with `aborted` as soon as the signal fires. */
export async function delay(
  ms: number,
  signal: AbortSignal | undefined,
  where: string,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await abortable(elapsed, signal, where);
  } finally {
    clearTimeout(timer);
  }
}
