import { workerSource } from 'virtual:vitrail-worker';
import { invalidArgument, VitrailError } from '../errors.ts';

/** Starts the worker: the inlined one, or the file at `workerUrl`. Throws `invalid-argument` where the browser refuses. */
export function createWorker(workerUrl: string | URL | undefined): Worker {
  if (typeof Worker === 'undefined') {
    throw invalidArgument(
      'client/worker',
      'There are no Web Workers here.',
      'Call createRuntime in a browser: in an effect or event handler, never while rendering on a server.',
    );
  }
  try {
    return workerUrl === undefined ? inlinedWorker() : new Worker(workerUrl, workerOptions);
  } catch (cause) {
    throw workerStartError(workerUrl, cause);
  }
}

const workerOptions: WorkerOptions = { name: 'vitrail' };

function inlinedWorker(): Worker {
  const url = URL.createObjectURL(new Blob([workerSource()], { type: 'text/javascript' }));
  const worker = new Worker(url, workerOptions);
  const revoke = (): void => URL.revokeObjectURL(url);
  // The script is fetched after the constructor returns: the address must live until the worker has spoken or failed.
  worker.addEventListener('message', revoke, { once: true });
  worker.addEventListener('error', revoke, { once: true });
  return worker;
}

/** Why a worker that never answered did not: the browser gives no reason, so the message names the usual one. */
export function workerStartError(
  workerUrl: string | URL | undefined,
  cause: unknown,
): VitrailError {
  if (workerUrl !== undefined) {
    return new VitrailError('network', `The worker at ${workerUrl} could not be started.`, {
      where: 'client/worker',
      fix: 'Serve vitrail.worker.js at that address: on the origin of the page, as text/javascript, and allowed by the worker-src of its Content-Security-Policy.',
      detail: { workerUrl: String(workerUrl) },
      cause,
    });
  }
  return new VitrailError('invalid-argument', 'The browser refused to start the inlined worker.', {
    where: 'client/worker',
    fix: "The page's Content-Security-Policy probably forbids blob: workers. Serve vitrail.worker.js on the page's origin and call createRuntime({ workerUrl }), or add blob: to worker-src.",
    cause,
  });
}
