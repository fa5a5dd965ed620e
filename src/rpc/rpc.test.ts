import type { Endpoint } from 'comlink';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { Emit, ServedModel } from '../runtime/model-contract.ts';
import type { GenerationResult, LanguageModelInfo, RuntimeInfo, TextEvent } from '../types.ts';
import { WorkerConnection, type WorkerLike } from './connection.ts';
import type { DeviceEvent, ServedEngine, ServiceParts } from './contract.ts';
import { serveRuntime } from './service.ts';

/** A worker without a thread: both ends of a real MessageChannel, and the events a browser would fire. */
class ChannelWorker extends EventTarget implements WorkerLike {
  readonly #port: MessagePort;
  readonly workerScope: MessagePort;
  terminated = false;

  constructor() {
    super();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.workerScope = port2;
    port1.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent('message', { data }));
  }

  postMessage(message: unknown, transferables: Transferable[] = []): void {
    this.#port.postMessage(message, transferables);
  }

  terminate(): void {
    this.terminated = true;
    this.#port.close();
  }
}

const runtimeInfo: RuntimeInfo = {
  tier: 'C',
  adapter: 'test adapter',
  fallback: true,
  features: ['subgroups'],
  limits: { maxBufferSize: 1024 },
};
const result: GenerationResult = {
  text: 'a b c',
  tokens: [1, 2, 3],
  finish: 'stop',
  usage: { promptTokens: 4, cachedTokens: 0, completionTokens: 3 },
  timing: { ttftMs: 1, prefillTokensPerSecond: 2, decodeTokensPerSecond: 3 },
};

function textEvents(texts: string[]): TextEvent[] {
  return texts.map((text, index) => ({ type: 'text', text, tokens: [index + 1] }));
}

/** A model whose `chat` does what the test says; the engine around it is as small as the contract allows. */
function modelWith(chat: ServedModel['chat']): ServedModel {
  return {
    info: { name: 'tiny' } as LanguageModelInfo,
    tokenizerDefinition: { kind: 'bpe', vocab: ['é'] },
    chat,
    complete: async (_prompt, _options, emit) => {
      for (const event of textEvents(['x'])) emit(event);
      return result;
    },
    embed: async () => {
      const both = new Float32Array([1, 2, 3, 4]);
      return [both.subarray(0, 2), both.subarray(2)];
    },
    encodeChat: (messages) => messages.map(({ content }) => content.length),
    logits: async (tokens) => Float32Array.from(tokens),
    attended: async () => Uint32Array.of(1),
    dispose: () => {},
  };
}

function partsWith(
  model: ServedModel,
  engine: Partial<ServedEngine> = {},
): ServiceParts & { fire(event: DeviceEvent): void } {
  const listeners = new Map<string, (message: string) => void>();
  return {
    fire: ({ name, message }) => listeners.get(name)?.(message),
    createEngine: async () => ({
      info: runtimeInfo,
      profile: () => Promise.resolve({ supported: false, kernels: [] }),
      stats: () => {
        throw new TypeError('no stats here');
      },
      loadModel: async (_source, { onProgress }) => {
        onProgress?.({
          phase: 'download',
          loadedBytes: 1,
          totalBytes: 2,
          cached: false,
          bytesPerSecond: 3,
          etaMs: 4,
        });
        return model;
      },
      callVision: () => Promise.reject(new Error('no vision here')),
      loadAvatar: async () => Promise.reject(new Error('no avatars here')),
      disposeAvatar: () => {},
      openScene: () => {
        throw new Error('no avatars here');
      },
      on: (name, listener) => listeners.set(name, listener),
      dispose: () => {},
      ...engine,
    }),
    loadTokenizerDefinition: async () => ({ kind: 'bpe' }),
    store: { list: async () => [], delete: async () => {}, verify: async () => true },
  };
}

const startFailure = (cause: unknown): VitrailError =>
  new VitrailError('network', 'The worker did not start.', { where: 'test', fix: 'Try.', cause });

async function connect(parts: ServiceParts): Promise<{
  connection: WorkerConnection;
  worker: ChannelWorker;
  info: RuntimeInfo;
  deviceEvents: DeviceEvent[];
}> {
  const worker = new ChannelWorker();
  serveRuntime(parts, worker.workerScope as Endpoint);
  const connection = new WorkerConnection(worker);
  onTestFinished(() => connection.close(startFailure('test is over')));
  const deviceEvents: DeviceEvent[] = [];
  const info = await connection.start({}, (event) => deviceEvents.push(event), startFailure);
  return { connection, worker, info, deviceEvents };
}

async function loadTiny(connection: WorkerConnection): Promise<number> {
  const loaded = await connection.stream((service, port) => service.loadModel('tiny', {}, port));
  return loaded.id;
}

async function thrownBy(promise: Promise<unknown>): Promise<VitrailError> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(VitrailError);
  return thrown as VitrailError;
}

const message = { role: 'user', content: 'hi' } as const;

describe('calls', () => {
  it('start answers the runtime info, and a load streams its progress and moves the tokenizer', async () => {
    const { connection, info } = await connect(partsWith(modelWith(async () => result)));
    expect(info).toEqual(runtimeInfo);
    const progress: unknown[] = [];
    const loaded = await connection.stream(
      (service, port) => service.loadModel('tiny', {}, port),
      undefined,
      (event) => progress.push(event),
    );
    expect(progress).toMatchObject([{ phase: 'download', loadedBytes: 1, totalBytes: 2 }]);
    expect(JSON.parse(new TextDecoder().decode(loaded.tokenizerJson))).toEqual({
      kind: 'bpe',
      vocab: ['é'],
    });
  });

  it('delivers every event of a generation, in order, before its result', async () => {
    const texts = Array.from({ length: 200 }, (_, index) => `t${index}`);
    const { connection } = await connect(
      partsWith(
        modelWith(async (_messages, _options, emit: Emit) => {
          for (const event of textEvents(texts)) emit(event);
          return result;
        }),
      ),
    );
    const model = await loadTiny(connection);
    const seen: string[] = [];
    const answer = await connection.stream<TextEvent, GenerationResult>(
      (service, port) => service.chat(model, [message], {}, port),
      undefined,
      (event) => seen.push(event.text),
    );
    expect(answer).toEqual(result);
    expect(seen).toEqual(texts);
  });

  it('passes an abort on to the worker, also one that came before the call', async () => {
    const untilAborted: ServedModel['chat'] = (_messages, { signal }) =>
      new Promise((resolve) => {
        const finish = (): void => resolve({ ...result, finish: 'abort' });
        if (signal?.aborted) finish();
        else signal?.addEventListener('abort', finish);
      });
    const { connection } = await connect(partsWith(modelWith(untilAborted)));
    const model = await loadTiny(connection);
    const controller = new AbortController();
    const running = connection.stream(
      (service, port) => service.chat(model, [message], {}, port),
      controller.signal,
    );
    controller.abort();
    expect((await running).finish).toBe('abort');
    const late = connection.stream(
      (service, port) => service.chat(model, [message], {}, port),
      AbortSignal.abort(),
    );
    expect((await late).finish).toBe('abort');
  });

  it('disposing of the model, or of everything, ends what is running', async () => {
    const untilAborted: ServedModel['chat'] = (_messages, { signal }) =>
      new Promise((resolve) => {
        signal?.addEventListener('abort', () => resolve({ ...result, finish: 'abort' }));
      });
    const { connection } = await connect(partsWith(modelWith(untilAborted)));
    for (const end of ['disposeModel', 'dispose'] as const) {
      const model = await loadTiny(connection);
      const running = connection.stream((service, port) =>
        service.chat(model, [message], {}, port),
      );
      await connection.call<void>((service) =>
        end === 'dispose' ? service.dispose() : service.disposeModel(model),
      );
      expect((await running).finish).toBe('abort');
    }
  });

  it('moves vectors that share one buffer', async () => {
    const { connection } = await connect(partsWith(modelWith(async () => result)));
    const model = await loadTiny(connection);
    const vectors = await connection.stream((service, port) =>
      service.embed(model, ['a', 'b'], port),
    );
    expect(vectors.map((vector) => [...vector])).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('tells the page that the device was lost and restored', async () => {
    const parts = partsWith(modelWith(async () => result));
    const { deviceEvents } = await connect(parts);
    parts.fire({ name: 'devicelost', message: 'gone' });
    parts.fire({ name: 'devicerestored', message: '' });
    await vi.waitFor(() => expect(deviceEvents).toHaveLength(2));
    expect(deviceEvents[0]).toEqual({ name: 'devicelost', message: 'gone' });
  });
});

describe('errors', () => {
  it('a VitrailError crosses whole: class, code, where, fix, detail and the chain of causes', async () => {
    const cyclic = new Error('cyclic');
    cyclic.cause = cyclic;
    const sent = new VitrailError('storage-quota', 'Not enough room.', {
      where: 'store/write',
      fix: 'Delete a model.',
      detail: { neededBytes: 5, notCloneable: () => {} },
      cause: new VitrailError('network', 'inner', {
        where: 'download/resume',
        fix: 'Check.',
        cause: cyclic,
      }),
    });
    const { connection } = await connect(partsWith(modelWith(async () => Promise.reject(sent))));
    const model = await loadTiny(connection);
    const thrown = await thrownBy(
      connection.stream((service, port) => service.chat(model, [message], {}, port)),
    );
    expect(thrown).toMatchObject({
      name: 'VitrailError',
      code: 'storage-quota',
      message: 'Not enough room.',
      where: 'store/write',
      fix: 'Delete a model.',
    });
    expect(thrown.detail.neededBytes).toBe(5);
    const cause = thrown.cause as VitrailError;
    expect(cause).toBeInstanceOf(VitrailError);
    expect(cause.code).toBe('network');
    expect((cause.cause as Error).message).toBe('cyclic');
  });

  it('an error of a part, which has a class of its own, arrives as a VitrailError with its stack, and so does its cause', async () => {
    const ofPart = (code: string, cause?: Error): Error =>
      Object.assign(new Error(`${code} of a part`, { cause }), {
        name: 'VitrailError',
        code,
        where: 'part/step',
        fix: 'Try.',
        detail: { tokens: 5 },
      });
    const sent = ofPart('context-full', ofPart('gpu-device-lost'));
    const { connection } = await connect(partsWith(modelWith(async () => Promise.reject(sent))));
    const model = await loadTiny(connection);
    const thrown = await thrownBy(
      connection.stream((service, port) => service.chat(model, [message], {}, port)),
    );
    expect(thrown).toBeInstanceOf(VitrailError);
    expect(thrown).toMatchObject({ code: 'context-full', where: 'part/step', fix: 'Try.' });
    expect(thrown.detail).toEqual({ tokens: 5 });
    expect(thrown.stack).toBe(sent.stack);
    expect(thrown.cause).toBeInstanceOf(VitrailError);
    expect((thrown.cause as VitrailError).code).toBe('gpu-device-lost');
  });

  it('anything else thrown in the worker arrives as internal, with its cause', async () => {
    const { connection } = await connect(partsWith(modelWith(async () => result)));
    const thrown = await thrownBy(connection.call((service) => service.stats()));
    expect(thrown).toMatchObject({
      code: 'internal',
      message: 'no stats here',
      where: 'service/stats',
    });
    expect((thrown.cause as Error).name).toBe('TypeError');
  });

  it('an argument that cannot be sent is an invalid argument', async () => {
    const { connection } = await connect(partsWith(modelWith(async () => result)));
    const model = await loadTiny(connection);
    const thrown = await thrownBy(
      connection.stream((service, port) =>
        service.chat(model, [message], { stop: [(() => {}) as unknown as string] }, port),
      ),
    );
    expect(thrown.code).toBe('invalid-argument');
  });

  it('a disposed model says so', async () => {
    const { connection } = await connect(partsWith(modelWith(async () => result)));
    const model = await loadTiny(connection);
    await connection.call((service) => service.disposeModel(model));
    const thrown = await thrownBy(connection.call((service) => service.logits(model, [1], 0)));
    expect(thrown.code).toBe('invalid-argument');
    expect(thrown.message).toContain('disposed');
  });
});

describe('a worker that fails', () => {
  it('before its first answer: the given reason, with the cause, and the worker is ended', async () => {
    const worker = new ChannelWorker();
    const connection = new WorkerConnection(worker);
    const starting = connection.start({}, () => {}, startFailure);
    worker.dispatchEvent(new Event('error'));
    const thrown = await thrownBy(starting);
    expect(thrown.message).toBe('The worker did not start.');
    expect(thrown.cause).toBeInstanceOf(VitrailError);
    expect(worker.terminated).toBe(true);
  });

  it('later: calls under way and later calls reject', async () => {
    const { connection, worker } = await connect(partsWith(modelWith(() => new Promise(() => {}))));
    const model = await loadTiny(connection);
    const running = connection.stream((service, port) => service.chat(model, [message], {}, port));
    worker.dispatchEvent(Object.assign(new Event('error'), { message: 'out of memory' }));
    const thrown = await thrownBy(running);
    expect(thrown.code).toBe('internal');
    expect(thrown.message).toContain('out of memory');
    expect(await thrownBy(connection.call((service) => service.stats()))).toBe(thrown);
    expect(worker.terminated).toBe(true);
  });

  it('a GPU that cannot be opened closes the connection with the engine’s own error', async () => {
    const parts = partsWith(modelWith(async () => result));
    const unavailable = new VitrailError('gpu-unavailable', 'No GPU.', {
      where: 'gpu',
      fix: 'Buy.',
    });
    const worker = new ChannelWorker();
    serveRuntime(
      { ...parts, createEngine: async () => Promise.reject(unavailable) },
      worker.workerScope as Endpoint,
    );
    const thrown = await thrownBy(new WorkerConnection(worker).start({}, () => {}, startFailure));
    expect(thrown).toMatchObject({ code: 'gpu-unavailable', fix: 'Buy.' });
    expect(worker.terminated).toBe(true);
  });
});
