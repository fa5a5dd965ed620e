import type { Avatar } from './api.ts';
import { type Chat, type ChatState, messageText } from './chat.ts';

/** What of an avatar a chat drives. */
export type DrivenAvatar = Pick<Avatar, 'info' | 'say' | 'speak' | 'setState'>;

export interface FollowChatOptions {
  /** An element in which someone types, such as a text field: the avatar listens meanwhile. */
  input?: EventTarget | null;
  onError?: (thrown: unknown) => void;
}

/** Someone who has not typed for so long is not writing any more. */
const typingMs = 4000;

/**
 * Lets an avatar take part in a chat: it listens while someone types, thinks until the answer begins and speaks while it comes. Returns
 * the function that ends it. Splats without expressions do nothing.
 */
export function followChat(
  avatar: DrivenAvatar,
  chat: Pick<Chat, 'getState' | 'subscribe'>,
  { input, onError }: FollowChatOptions = {},
): () => void {
  const follower = new ChatFollower(avatar, onError);
  const end = chat.subscribe(() => follower.show(chat.getState()));
  let quiet: ReturnType<typeof setTimeout> | undefined;
  const typed = (): void => {
    follower.listen(true);
    clearTimeout(quiet);
    quiet = setTimeout(() => follower.listen(false), typingMs);
  };
  input?.addEventListener('input', typed);
  return () => {
    end();
    clearTimeout(quiet);
    input?.removeEventListener('input', typed);
    follower.stop();
  };
}

/** Turns the states of a chat into what an avatar does. */
export class ChatFollower {
  readonly #avatar: DrivenAvatar;
  readonly #onError: (thrown: unknown) => void;
  readonly #rigged: boolean;
  #status: ChatState['status'] = 'ready';
  #listening = false;
  #state = 'idle';
  #answer: { id: string; length: number; pieces: Pieces } | null = null;

  constructor(avatar: DrivenAvatar, onError: (thrown: unknown) => void = () => {}) {
    this.#avatar = avatar;
    this.#onError = onError;
    this.#rigged = avatar.info.expressions.length > 0;
  }

  /** The chat as it is now. */
  show({ status, messages }: ChatState): void {
    if (!this.#rigged) return;
    const began = status === 'submitted' && this.#status !== 'submitted';
    this.#status = status;
    if (began) this.#fallSilent();
    const last = messages.at(-1);
    if (status === 'streaming' && last?.role === 'assistant') {
      this.#hear(last.id, messageText(last));
    } else if (status === 'ready' || status === 'error') this.#endAnswer();
    this.#settle();
  }

  /** Someone types, or not any more. */
  listen(on: boolean): void {
    this.#listening = on;
    this.#settle();
  }

  stop(): void {
    this.#status = 'ready';
    this.#listening = false;
    if (this.#answer) this.#fallSilent();
    this.#settle();
  }

  #hear(id: string, text: string): void {
    if (this.#answer?.id !== id) {
      this.#endAnswer();
      if (text === '') return;
      this.#answer = { id, length: 0, pieces: new Pieces() };
      this.#listening = false;
      this.#avatar.speak(this.#answer.pieces).catch(this.#onError);
    }
    this.#answer.pieces.push(text.slice(this.#answer.length));
    this.#answer.length = text.length;
  }

  #endAnswer(): void {
    this.#answer?.pieces.end();
    this.#answer = null;
  }

  #fallSilent(): void {
    this.#endAnswer();
    this.#listening = false;
    this.#avatar.say(null).catch(this.#onError);
  }

  #settle(): void {
    if (!this.#rigged) return;
    const thinks = this.#status === 'submitted' || (this.#status === 'streaming' && !this.#answer);
    const state = thinks ? 'thinking' : this.#listening && !this.#answer ? 'listening' : 'idle';
    if (state === this.#state) return;
    this.#state = state;
    this.#avatar.setState(state).catch(this.#onError);
  }
}

/** A text that someone else reads as it comes. */
class Pieces implements AsyncIterable<string> {
  #text = '';
  #ended = false;
  #wake = (): void => {};

  push(text: string): void {
    this.#text += text;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      if (this.#text) {
        const text = this.#text;
        this.#text = '';
        yield text;
      } else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
