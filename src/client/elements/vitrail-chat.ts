import { toVitrailError, type VitrailError } from '../../errors.ts';
import type { GenerateOptions, LoadProgress } from '../../types.ts';
import type { LanguageModel, Runtime } from '../api.ts';
import { type Chat, type ChatMessage, createChat, messageText } from '../chat.ts';
import { createRuntime } from '../runtime.ts';
import { chatStyles } from './element-styles.ts';
import { describeProgress } from './progress-text.ts';

/** On a server there are no elements to extend; importing must work there all the same. */
const ElementBase: typeof HTMLElement = globalThis.HTMLElement ?? class {};

/**
 * `<vitrail-chat model="hf:owner/name/file.gguf">`: a chat that works alone.
 *
 * Attributes: `model` (left out: the embedded one), `system`, `placeholder`, `label`, `max-tokens`, `temperature`,
 * `context-length`, `worker-url`, and `autoload`, which loads without waiting for the button.
 * Events: `vitrail-ready`, `vitrail-message` (detail: the answer), `vitrail-error` (detail: the VitrailError).
 * Parts: root, messages, message, user, assistant, setup, load, cancel, progress, error, form, input, send, stop.
 */
export class VitrailChatElement extends ElementBase {
  /** The conversation; its `options.model` is null until the model is loaded. */
  readonly chat: Chat;
  #view: View | undefined;
  #runtime: Runtime | undefined;
  #loading: { abort: AbortController; done: Promise<void> } | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.chat = createChat({
      model: null,
      onSentence: (sentence) => this.#view?.announce(sentence),
      onFinish: (message) => this.#fire('vitrail-message', message),
      onError: (error) => this.#fire('vitrail-error', error),
    });
  }

  connectedCallback(): void {
    this.#view ??= new View(this.attachShadow({ mode: 'open' }), {
      load: () => void this.load(),
      cancel: () => this.#loading?.abort.abort(),
      send: (text) => this.#send(text),
      stop: () => void this.chat.stop(),
      retry: () => void this.#retry(),
    });
    this.#view.label(this.getAttribute('label') ?? 'Chat', this.getAttribute('placeholder'));
    this.#unsubscribe = this.chat.subscribe(() => this.#view?.showChat(this.chat));
    this.#view.showSetup(this.#setupState());
    if (this.hasAttribute('autoload')) void this.load();
  }

  disconnectedCallback(): void {
    // Moving an element in the document disconnects and connects it in one task: wait and see whether it is gone.
    queueMicrotask(() => {
      if (!this.isConnected) void this.#close();
    });
    this.#unsubscribe?.();
  }

  #setupState(): 'idle' | 'loading' | 'ready' {
    if (this.chat.options.model) return 'ready';
    return this.#loading ? 'loading' : 'idle';
  }

  /** Loads the model; resolves when it is ready or the failure is shown. Calls during a load wait for that load. */
  load(): Promise<void> {
    if (this.chat.options.model) return Promise.resolve();
    if (this.#loading) return this.#loading.done;
    const abort = new AbortController();
    const loading = { abort, done: this.#load(abort.signal) };
    this.#loading = loading;
    return loading.done.finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
  }

  async #load(signal: AbortSignal): Promise<void> {
    this.#view?.showError(null);
    this.#view?.showSetup('loading');
    try {
      const model = await this.#open(signal);
      if (signal.aborted) return await model.dispose();
      this.chat.options = { ...this.chat.options, model };
      this.#view?.showSetup('ready');
      this.#view?.announce(`${model.info.name} is ready.`);
      this.#fire('vitrail-ready', model.info);
    } catch (thrown) {
      this.#showLoadError(toVitrailError(thrown, 'vitrail-chat/load'));
    }
  }

  async #open(signal: AbortSignal): Promise<LanguageModel> {
    const workerUrl = this.getAttribute('worker-url');
    this.#runtime ??= await createRuntime(workerUrl ? { workerUrl } : {});
    const contextLength = this.#number('context-length');
    return this.#runtime.loadModel(this.getAttribute('model') || undefined, {
      signal,
      onProgress: (progress) => this.#view?.showProgress(progress),
      ...(contextLength === undefined ? {} : { contextLength }),
    });
  }

  #showLoadError(error: VitrailError): void {
    this.#view?.showSetup('idle');
    if (error.code === 'aborted') return;
    this.#view?.showError(error);
    this.#fire('vitrail-error', error);
  }

  /** False when there is no model to answer: it could not be loaded. */
  async #send(text: string): Promise<boolean> {
    if (!this.chat.options.model) await this.load();
    if (!this.chat.options.model) return false;
    const generate: Omit<GenerateOptions, 'signal'> = {};
    const maxTokens = this.#number('max-tokens');
    const temperature = this.#number('temperature');
    if (maxTokens !== undefined) generate.maxTokens = maxTokens;
    if (temperature !== undefined) generate.temperature = temperature;
    const system = this.getAttribute('system') ?? undefined;
    this.chat.options = { ...this.chat.options, generate, system };
    void this.chat.sendMessage(text);
    return true;
  }

  async #retry(): Promise<void> {
    if (this.chat.options.model) await this.chat.regenerate();
    else await this.load();
  }

  async #close(): Promise<void> {
    this.#loading?.abort.abort();
    await this.chat.stop();
    this.chat.options = { ...this.chat.options, model: null };
    const runtime = this.#runtime;
    this.#runtime = undefined;
    await runtime?.dispose();
  }

  #number(attribute: string): number | undefined {
    const text = this.getAttribute(attribute);
    return text === null || text === '' ? undefined : Number(text);
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

interface ViewActions {
  load(): void;
  cancel(): void;
  /** False: nothing came of it, and the text should stay. */
  send(text: string): Promise<boolean>;
  stop(): void;
  retry(): void;
}

const markup = `
<section class="root" part="root">
  <ol class="messages" part="messages" tabindex="0" aria-label="Conversation"></ol>
  <div class="error" part="error" role="alert" hidden>
    <p class="what"></p><p class="fix"></p><button class="quiet" type="button">Try again</button>
  </div>
  <div class="setup" part="setup">
    <p class="note"></p>
    <button class="load" part="load" type="button">Load model</button>
    <button class="cancel quiet" part="cancel" type="button" hidden>Cancel</button>
    <progress part="progress" aria-label="Loading the model" max="1" hidden></progress>
  </div>
  <form class="form" part="form">
    <textarea part="input" rows="1" aria-label="Message"></textarea>
    <button class="send" part="send" type="submit">Send</button>
    <button class="stop quiet" part="stop" type="button" hidden>Stop</button>
  </form>
  <div class="spoken" role="status" aria-live="polite"></div>
</section>`;

/** The shadow tree: shows states and reports what the visitor does. */
class View {
  readonly #root: ShadowRoot;
  readonly #items = new Map<string, HTMLLIElement>();

  constructor(root: ShadowRoot, actions: ViewActions) {
    this.#root = root;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(chatStyles);
    root.adoptedStyleSheets = [sheet];
    root.innerHTML = markup;
    this.#get('.load').addEventListener('click', actions.load);
    this.#get('.cancel').addEventListener('click', actions.cancel);
    this.#get('.stop').addEventListener('click', actions.stop);
    this.#get('.error button').addEventListener('click', actions.retry);
    this.#listenToForm(actions);
  }

  #listenToForm(actions: ViewActions): void {
    const form = this.#get<HTMLFormElement>('.form');
    const input = this.#get<HTMLTextAreaElement>('textarea');
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (!text || this.#get('.send').hidden) return;
      input.value = '';
      if (!(await actions.send(text))) input.value ||= text;
    });
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.#get('.root').addEventListener('keydown', (event) => {
      if ((event as KeyboardEvent).key === 'Escape') actions.stop();
    });
  }

  label(label: string, placeholder: string | null): void {
    this.#get('.root').setAttribute('aria-label', label);
    this.#get<HTMLTextAreaElement>('textarea').placeholder = placeholder ?? 'Write a message';
  }

  announce(text: string): void {
    this.#get('.spoken').textContent = text;
  }

  showSetup(state: 'idle' | 'loading' | 'ready'): void {
    this.#get('.setup').hidden = state === 'ready';
    this.#get('.load').hidden = state !== 'idle';
    this.#get('.cancel').hidden = state !== 'loading';
    this.#get('progress').hidden = state !== 'loading';
    this.#get('.note').textContent =
      state === 'loading' ? 'Starting …' : 'The model runs in this page, on your own GPU.';
  }

  showProgress(progress: LoadProgress): void {
    const bar = this.#get<HTMLProgressElement>('progress');
    if (progress.totalBytes > 0) bar.value = progress.loadedBytes / progress.totalBytes;
    else bar.removeAttribute('value');
    this.#get('.note').textContent = describeProgress(progress);
  }

  showError(error: VitrailError | null): void {
    this.#get('.error').hidden = error === null;
    this.#get('.what').textContent = error?.message ?? '';
    this.#get('.fix').textContent = error?.fix ?? '';
  }

  showChat(chat: Chat): void {
    const { messages, status, error } = chat.getState();
    const running = status === 'submitted' || status === 'streaming';
    this.#get('.send').hidden = running;
    this.#get('.stop').hidden = !running;
    const list = this.#get('.messages');
    const follow = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    this.#showMessages(messages);
    list.classList.toggle('pending', status === 'submitted');
    this.showError(error);
    if (follow || status === 'submitted') list.scrollTop = list.scrollHeight;
  }

  #showMessages(messages: readonly ChatMessage[]): void {
    const kept = new Set(messages.map((message) => message.id));
    for (const [id, item] of this.#items) {
      if (!kept.has(id)) {
        item.remove();
        this.#items.delete(id);
      }
    }
    for (const message of messages) {
      const item = this.#items.get(message.id) ?? this.#addItem(message);
      const text = messageText(message);
      if (item.textContent !== text) item.textContent = text;
    }
  }

  #addItem(message: ChatMessage): HTMLLIElement {
    const item = document.createElement('li');
    item.className = `message ${message.role}`;
    item.part.add('message', message.role);
    item.setAttribute('aria-label', message.role === 'user' ? 'You' : 'Answer');
    this.#get('.messages').append(item);
    this.#items.set(message.id, item);
    return item;
  }

  #get<Found extends HTMLElement>(selector: string): Found {
    return this.#root.querySelector(selector) as Found;
  }
}
