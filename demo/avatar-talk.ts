import { type Avatar, createChat, followChat, messageText, type Runtime } from 'vitrail';
import { byId, make } from './dom.ts';

/** The chat beside the avatar: the avatar listens, thinks and speaks with it. The model is loaded with the first message. */
export class AvatarTalk {
  readonly #runtime: () => Promise<Runtime>;
  readonly #onError: (thrown: unknown) => void;
  readonly #text = byId<HTMLInputElement>('talk-text');
  readonly #chat = createChat({
    generate: { maxTokens: 160 },
    onSentence: (sentence) => {
      byId('talk-announcer').textContent = sentence;
    },
    onError: (error) => this.#onError(error),
  });
  #unfollow = (): void => {};
  #loading = false;

  constructor(runtime: () => Promise<Runtime>, onError: (thrown: unknown) => void) {
    this.#runtime = runtime;
    this.#onError = onError;
    // It scrolls, so the keyboard has to reach it.
    byId('talk-lines').tabIndex = 0;
    this.#chat.subscribe(() => this.#show());
    byId('talk-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send().catch(onError);
    });
    byId('talk-stop').addEventListener('click', () => void this.#chat.stop());
  }

  /** From now on this avatar takes part; splats without a face leave the chat hidden. */
  follow(avatar: Avatar): void {
    this.#unfollow();
    byId('talk').hidden = avatar.info.expressions.length === 0;
    this.#unfollow = followChat(avatar, this.#chat, { input: this.#text, onError: this.#onError });
  }

  async #send(): Promise<void> {
    const text = this.#text.value.trim();
    if (!text || this.#loading || this.#running) return;
    await this.#load();
    if (!this.#chat.options.model) return;
    this.#text.value = '';
    await this.#chat.sendMessage(text);
  }

  async #load(): Promise<void> {
    if (this.#chat.options.model) return;
    this.#loading = true;
    const note = byId('talk-note');
    const before = note.textContent;
    note.textContent = 'Opening the language model …';
    try {
      const model = await (await this.#runtime()).loadModel(undefined, {
        onProgress: ({ loadedBytes, totalBytes }) => {
          const percent =
            totalBytes > 0 ? ` ${Math.round((100 * loadedBytes) / totalBytes)} %` : '';
          note.textContent = `Opening the language model …${percent}`;
        },
      });
      this.#chat.options = { ...this.#chat.options, model };
      note.textContent = `${model.info.name} answers, in this page.`;
    } catch (thrown) {
      note.textContent = before;
      throw thrown;
    } finally {
      this.#loading = false;
    }
  }

  get #running(): boolean {
    const { status } = this.#chat.getState();
    return status === 'submitted' || status === 'streaming';
  }

  #show(): void {
    const { messages } = this.#chat.getState();
    byId('talk-send').hidden = this.#running;
    byId('talk-stop').hidden = !this.#running;
    const list = byId('talk-lines');
    list.hidden = messages.length === 0;
    messages.forEach((message, i) => {
      const line = list.children[i] ?? list.appendChild(make('li', { className: message.role }));
      line.ariaLabel = message.role === 'user' ? 'You' : 'Answer';
      const text = messageText(message);
      if (line.textContent !== text) line.textContent = text;
    });
    list.classList.toggle('pending', this.#chat.getState().status === 'submitted');
    list.scrollTop = list.scrollHeight;
    byId('talk-form').scrollIntoView({ block: 'nearest' });
  }
}
