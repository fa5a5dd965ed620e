import { type Endpoint, type Remote, releaseProxy, transfer, wrap } from 'comlink';
import { version } from '../../package.json';
import { invalidArgument, toVitrailError, VitrailError } from '../errors.ts';
import type { RuntimeInfo } from '../types.ts';
import { openCallChannel } from './call-channel.ts';
import type { DeviceEvent, RuntimeService, StartOptions } from './contract.ts';
import { installErrorTransfer } from './error-transfer.ts';

/** The part of `Worker` that a connection uses. */
export interface WorkerLike extends Endpoint {
  terminate(): void;
}

type Service = Remote<RuntimeService>;

/** How long a worker may take to answer for the first time: its script may come over a slow network. */
const firstAnswerMs = 30_000;

/**
 * The page's end of the worker. Every call settles: with the worker's answer, with its error, or, when the worker
 * fails or is closed, with the reason for that.
 */
export class WorkerConnection {
  readonly #worker: WorkerLike;
  readonly #service: Service;
  readonly #pending = new Set<(reason: VitrailError) => void>();
  #failure: VitrailError | undefined;

  constructor(worker: WorkerLike) {
    installErrorTransfer();
    this.#worker = worker;
    this.#service = wrap<RuntimeService>(worker);
    worker.addEventListener('error', this.#onError);
    worker.addEventListener('messageerror', this.#onError);
  }

  /**
   * Waits for the worker and opens the GPU. `startFailure` explains a worker that never answered. A connection that
   * could not be opened is closed.
   */
  async start(
    options: StartOptions,
    onDeviceEvent: (event: DeviceEvent) => void,
    startFailure: (cause: unknown) => VitrailError,
  ): Promise<RuntimeInfo> {
    try {
      await this.#firstAnswer(startFailure);
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }: MessageEvent<DeviceEvent>) => onDeviceEvent(data);
      return await this.call((service) => service.start(options, transfer(port2, [port2])));
    } catch (thrown) {
      const error = toVitrailError(thrown, 'connection/start');
      this.close(error);
      throw error;
    }
  }

  async #firstAnswer(startFailure: (cause: unknown) => VitrailError): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer from the worker')), firstAnswerMs);
    });
    let workerVersion: string;
    try {
      workerVersion = await Promise.race([this.call((service) => service.version()), timeout]);
    } catch (cause) {
      throw startFailure(cause);
    } finally {
      clearTimeout(timer);
    }
    if (workerVersion !== version) {
      throw invalidArgument(
        'connection/version',
        `The page runs Vitrail ${version}, its worker ${workerVersion}.`,
        `Serve the vitrail.worker.js of version ${version} at workerUrl, and reload without the browser's cache.`,
      );
    }
  }

  /** False once the worker has failed or was closed. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** One call without a stream. */
  call<Result>(invoke: (service: Service) => Promise<Result>): Promise<Result> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise<Result>((resolve, reject) => {
      this.#pending.add(reject);
      invoke(this.#service)
        .then(resolve, (thrown) => reject(callError(thrown)))
        .finally(() => this.#pending.delete(reject));
    });
  }

  /** A call that can be aborted and that streams events; it resolves after the last event was delivered. */
  async stream<Event, Result>(
    invoke: (service: Service, port: MessagePort) => Promise<Result>,
    signal?: AbortSignal,
    onEvent: (event: Event) => void = () => {},
  ): Promise<Result> {
    const channel = openCallChannel(signal, onEvent);
    try {
      return await this.call(async (service) => {
        const result = await invoke(service, transfer(channel.port, [channel.port]));
        await channel.drained;
        return result;
      });
    } finally {
      channel.close();
    }
  }

  /** Ends the worker. Calls that are under way, and later ones, reject with `reason`. */
  close(reason: VitrailError): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#worker.removeEventListener('error', this.#onError);
    this.#worker.removeEventListener('messageerror', this.#onError);
    for (const reject of this.#pending) reject(reason);
    this.#pending.clear();
    this.#service[releaseProxy]();
    this.#worker.terminate();
  }

  readonly #onError = (event: unknown): void => {
    const { message } = event as Partial<ErrorEvent>;
    this.close(
      new VitrailError('internal', `The worker stopped: ${message || 'no reason given'}.`, {
        where: 'connection/worker',
        fix: 'Create a new runtime. Stored models load again without the network. If it happens again, please report it.',
        cause: message,
      }),
    );
  };
}

function callError(thrown: unknown): VitrailError {
  if (thrown instanceof Error && thrown.name === 'DataCloneError') {
    return invalidArgument(
      'connection/arguments',
      `An argument cannot be sent to the worker: ${thrown.message}`,
      'Pass plain data: no functions, DOM nodes or class instances.',
    );
  }
  return toVitrailError(thrown, 'connection/call');
}
