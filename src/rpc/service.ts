import { type Endpoint, expose, transfer } from 'comlink';
import { version } from '../../package.json';
import { toVitrailError, VitrailError } from '../errors.ts';
import type { ServedModel } from '../runtime/model-contract.ts';
import type { GenerationResult, LoadProgress, TextEvent } from '../types.ts';
import { createAvatarService } from './avatar-service.ts';
import { type CallContext, serveCallChannel } from './call-channel.ts';
import type {
  DeviceEvent,
  DeviceEventName,
  LoadedModel,
  RuntimeService,
  ServedEngine,
  ServiceParts,
} from './contract.ts';
import { installErrorTransfer } from './error-transfer.ts';

/** Answers the calls of one page. `endpoint` is the worker's global scope. */
export function serveRuntime(parts: ServiceParts, endpoint: Endpoint): void {
  installErrorTransfer();
  expose(typedErrors(createService(parts)), endpoint);
}

/** A model, and the way to end what it is doing when it is disposed. */
interface OpenedModel {
  model: ServedModel;
  closing: AbortController;
}

function createService(parts: ServiceParts): RuntimeService {
  let engine: ServedEngine | undefined;
  const models = new Map<number, OpenedModel>();
  const closing = new AbortController();
  let lastModelId = 0;
  let textUrl: string | undefined;

  const started = (): ServedEngine => {
    if (!engine) throw disposedError('The runtime');
    return engine;
  };
  const opened = (id: number): OpenedModel => {
    const found = models.get(id);
    if (!found) throw disposedError('The model');
    return found;
  };

  /** A call of a model, which ends with the page's abort and with the model. */
  const serveModel = <Event, Result>(
    id: number,
    channel: MessagePort,
    call: (context: CallContext<Event> & { model: ServedModel }) => Promise<Result>,
  ): Promise<Result> =>
    serveCallChannel<Event, Result>(channel, async ({ signal, emit }) => {
      const { model, closing } = opened(id);
      return call({ model, signal: AbortSignal.any([signal, closing.signal]), emit });
    });

  const avatars = createAvatarService({
    engine: started,
    closing: closing.signal,
    disposedError: () => disposedError('The avatar'),
  });

  return {
    ...avatars,
    version: () => version,
    async start(options, deviceEvents) {
      textUrl = options.textUrl;
      engine = await parts.createEngine(options);
      forwardDeviceEvents(engine, deviceEvents);
      return engine.info;
    },
    stats: () => started().stats(),
    profile: () => started().profile(),
    loadModel: (source, settings, channel) =>
      serveCallChannel<LoadProgress, LoadedModel>(channel, async ({ signal, emit }) => {
        const loaded = await started().loadModel(source, {
          ...settings,
          signal: AbortSignal.any([signal, closing.signal]),
          onProgress: emit,
        });
        lastModelId += 1;
        models.set(lastModelId, { model: loaded, closing: new AbortController() });
        const tokenizerJson = encodeJson(loaded.tokenizerDefinition);
        return transfer({ id: lastModelId, info: loaded.info, tokenizerJson }, [
          tokenizerJson.buffer,
        ]);
      }),
    async disposeModel(id) {
      const found = models.get(id);
      models.delete(id);
      found?.closing.abort();
      await found?.model.dispose();
    },
    chat: (id, messages, settings, channel) =>
      serveModel<TextEvent, GenerationResult>(id, channel, ({ model, signal, emit }) =>
        model.chat(messages, { ...settings, signal }, emit),
      ),
    complete: (id, prompt, settings, channel) =>
      serveModel<TextEvent, GenerationResult>(id, channel, ({ model, signal, emit }) =>
        model.complete(prompt, { ...settings, signal }, emit),
      ),
    encodeChat: async (id, messages) => opened(id).model.encodeChat(messages),
    embed: (id, texts, channel) =>
      serveModel(id, channel, async ({ model, signal }) => {
        const vectors = await model.embed(texts, { signal });
        return transfer(vectors, [...new Set(vectors.map((vector) => vector.buffer))]);
      }),
    async logits(id, tokens, first) {
      const logits = await opened(id).model.logits(tokens, first);
      return transfer(logits, [logits.buffer]);
    },
    attended: (id) => opened(id).model.attended(),
    loadTokenizer: (source, channel) =>
      serveCallChannel(channel, async ({ signal }) => {
        const json = encodeJson(await parts.loadTokenizerDefinition(source, signal, textUrl));
        return transfer(json, [json.buffer]);
      }),
    callVision: (call, channel) =>
      serveCallChannel(channel, async ({ signal }) => started().callVision(call, signal)),
    listStored: () => parts.store.list(),
    deleteStored: (id) => parts.store.delete(id),
    verifyStored: (id) => parts.store.verify(id),
    async dispose() {
      const last = engine;
      engine = undefined;
      closing.abort();
      for (const model of models.values()) model.closing.abort();
      models.clear();
      await last?.dispose();
    },
  };
}

function forwardDeviceEvents(engine: ServedEngine, port: MessagePort): void {
  const names: DeviceEventName[] = ['devicelost', 'devicerestored'];
  for (const name of names) {
    engine.on(name, (message) => port.postMessage({ name, message } satisfies DeviceEvent));
  }
}

/** Whatever a method throws leaves as a `VitrailError`. */
function typedErrors(service: RuntimeService): RuntimeService {
  const entries = Object.entries(service).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return await method(...args);
      } catch (thrown) {
        throw toVitrailError(thrown, `service/${name}`);
      }
    },
  ]);
  return Object.fromEntries(entries);
}

function encodeJson(value: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

function disposedError(what: string): VitrailError {
  return new VitrailError('invalid-argument', `${what} has been disposed.`, {
    where: 'service/handle',
    fix: 'Load it again, or call dispose() later.',
  });
}
