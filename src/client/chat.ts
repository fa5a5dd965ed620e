import { invalidArgument, toVitrailError, type VitrailError } from '../errors.ts';
import type { GenerateOptions, GenerationResult, Message } from '../types.ts';
import type { LanguageModel } from './api.ts';
import { createSentenceSplitter } from './sentences.ts';

export interface ChatMessage {
  id: string;
  role: 'user' | 'assistant';
  parts: { type: 'text'; text: string }[];
  /** Of an answer that has ended: why it ended, tokens and times. */
  metadata?: Pick<GenerationResult, 'finish' | 'usage' | 'timing'>;
}

/** submitted: the prompt is being read; streaming: the answer comes; ready and error: a message can be sent. */
export type ChatStatus = 'submitted' | 'streaming' | 'ready' | 'error';

export interface ChatState {
  readonly messages: readonly ChatMessage[];
  readonly status: ChatStatus;
  readonly error: VitrailError | null;
}

export interface ChatOptions {
  /** Who answers. While it is missing, sending fails with `invalid-argument`. */
  model?: LanguageModel | null | undefined;
  /** The system prompt. */
  system?: string | undefined;
  /** Sampler settings and the like. */
  generate?: Omit<GenerateOptions, 'signal'> | undefined;
  /** Gets each finished sentence of an answer: what a polite live region should announce. */
  onSentence?: ((sentence: string) => void) | undefined;
  onFinish?: ((message: ChatMessage) => void) | undefined;
  onError?: ((error: VitrailError) => void) | undefined;
}

/** A conversation with a model: the messages, and what can be done with them. Framework-free; see `vitrail/react`. */
export interface Chat {
  /** May be replaced at any time; takes effect with the next answer. */
  options: ChatOptions;
  /** The same object until something changes. */
  getState(): ChatState;
  /** Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
  /** Resolves when the answer has ended, also after an error, which is then in the state. */
  sendMessage(message: string | { text: string }): Promise<void>;
  /** Answers the last user message again. */
  regenerate(): Promise<void>;
  /** Ends the running answer and keeps what is there, be it nothing: an answer without parts. */
  stop(): Promise<void>;
  /** Replaces the conversation; a running answer is stopped. */
  setMessages(messages: readonly ChatMessage[]): void;
  clearError(): void;
}

export function createChat(options: ChatOptions = {}, messages: readonly ChatMessage[] = []): Chat {
  return new Conversation(options, messages);
}

/** The text of a message. */
export function messageText(message: ChatMessage): string {
  return message.parts.map((part) => part.text).join('');
}

interface Run {
  abort: AbortController;
  ended: Promise<void>;
}

class Conversation implements Chat {
  options: ChatOptions;
  #state: ChatState;
  #run: Run | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(options: ChatOptions, messages: readonly ChatMessage[]) {
    this.options = options;
    this.#state = { messages, status: 'ready', error: null };
  }

  getState(): ChatState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async sendMessage(message: string | { text: string }): Promise<void> {
    const text = typeof message === 'string' ? message : message.text;
    await this.stop();
    const asked: ChatMessage = { id: newId(), role: 'user', parts: [{ type: 'text', text }] };
    this.#set({ messages: [...this.#state.messages, asked] });
    await this.#answer();
  }

  async regenerate(): Promise<void> {
    await this.stop();
    const { messages } = this.#state;
    const lastAsked = messages.findLastIndex((message) => message.role === 'user');
    if (lastAsked < 0) return;
    this.#set({ messages: messages.slice(0, lastAsked + 1) });
    await this.#answer();
  }

  async stop(): Promise<void> {
    this.#run?.abort.abort();
    await this.#run?.ended;
  }

  setMessages(messages: readonly ChatMessage[]): void {
    this.#run?.abort.abort();
    this.#run = undefined;
    this.#set({ messages, status: 'ready', error: null });
  }

  clearError(): void {
    if (this.#state.error) this.#set({ status: 'ready', error: null });
  }

  #answer(): Promise<void> {
    const abort = new AbortController();
    const run: Run = { abort, ended: Promise.resolve() };
    this.#run = run;
    this.#set({ status: 'submitted', error: null });
    run.ended = this.#stream(run).catch((thrown) => this.#fail(run, thrown));
    return run.ended;
  }

  async #stream(run: Run): Promise<void> {
    const { model, system, generate, onSentence, onFinish } = this.options;
    if (!model) throw missingModelError();
    const prompt: Message[] = this.#state.messages.map((message) => ({
      role: message.role,
      content: messageText(message),
    }));
    if (system) prompt.unshift({ role: 'system', content: system });
    const generation = model.chat(prompt, { ...generate, signal: run.abort.signal });

    let answer: ChatMessage = { id: newId(), role: 'assistant', parts: [] };
    const sentences = createSentenceSplitter();
    const announce = (sentence: string): void => {
      if (sentence && this.#run === run) onSentence?.(sentence);
    };
    for await (const { text } of generation) {
      answer = { ...answer, parts: [{ type: 'text', text: messageText(answer) + text }] };
      this.#show(run, answer);
      announce(sentences.push(text));
    }
    const { finish, usage, timing } = await generation.result;
    answer = { ...answer, metadata: { finish, usage, timing } };
    // Also when it is empty: it says why, can be asked for again, and many chat templates insist on taking turns.
    this.#show(run, answer);
    announce(sentences.flush());
    if (this.#run !== run) return;
    this.#run = undefined;
    this.#set({ status: 'ready' });
    onFinish?.(answer);
  }

  /** Puts the answer at the end of the conversation, unless another run has taken its place. */
  #show(run: Run, answer: ChatMessage): void {
    if (this.#run !== run) return;
    const others = this.#state.messages.filter((message) => message.id !== answer.id);
    this.#set({ messages: [...others, answer], status: 'streaming' });
  }

  #fail(run: Run, thrown: unknown): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    const error = toVitrailError(thrown, 'chat/answer');
    if (error.code === 'aborted') {
      this.#set({ status: 'ready' });
    } else {
      this.#set({ status: 'error', error });
      this.options.onError?.(error);
    }
  }

  #set(change: Partial<ChatState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function newId(): string {
  // crypto.randomUUID needs a secure context; a conversation's ids need to be unique, not secret.
  return `message-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}

function missingModelError(): VitrailError {
  return invalidArgument(
    'chat/model',
    'No model is loaded yet.',
    'Load a model first, and pass it as `model`.',
  );
}
