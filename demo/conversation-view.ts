import { type Chat, type ChatMessage, messageText } from 'vitrail';
import { byId, icon, make } from './dom.ts';
import { formatDuration, formatRate } from './format.ts';
import { copyButton, renderMarkdown } from './markdown.ts';

/** The list of messages. Draws at most once a frame, and only what has changed. */
export class ConversationView {
  readonly #chat: Chat;
  readonly #list = byId('messages');
  readonly #scroller = byId('scroller');
  readonly #shown = new Map<string, { message: ChatMessage; item: HTMLLIElement }>();
  readonly #thinking = thinkingItem();
  #frame = 0;
  /** Follow the text while the reader is at its end; leave those alone who scrolled up. */
  #follow = true;

  constructor(chat: Chat) {
    this.#chat = chat;
    chat.subscribe(() => this.#schedule());
    this.#scroller.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#follow = scrollHeight - scrollTop - clientHeight < 60;
    });
    new ResizeObserver(() => this.#scrollToEnd()).observe(this.#scroller);
    this.#draw();
  }

  #scrollToEnd(): void {
    if (this.#follow) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Scrolls to the end with the next drawing: the visitor has just asked something. */
  followAgain(): void {
    this.#follow = true;
  }

  #schedule(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const { messages, status } = this.#chat.getState();
    const kept = new Set(messages.map((message) => message.id));
    for (const [id, { item }] of this.#shown) {
      if (kept.has(id)) continue;
      item.remove();
      this.#shown.delete(id);
    }
    const last = messages.at(-1);
    for (const message of messages) this.#drawMessage(message, message === last);
    if (status === 'submitted') this.#list.append(this.#thinking);
    else this.#thinking.remove();
    this.#scrollToEnd();
  }

  #drawMessage(message: ChatMessage, isLast: boolean): void {
    const shown = this.#shown.get(message.id);
    const item = shown?.item ?? this.#addItem(message);
    if (shown?.message !== message) {
      const body = item.firstElementChild as HTMLElement;
      if (message.role === 'user') body.textContent = messageText(message);
      else renderMarkdown(body, messageText(message));
      if (message.metadata) item.append(this.#foot(message));
      this.#shown.set(message.id, { message, item });
    }
    item.querySelector('.regenerate')?.toggleAttribute('hidden', !isLast);
  }

  #addItem(message: ChatMessage): HTMLLIElement {
    const isUser = message.role === 'user';
    const body = make('div', { className: isUser ? 'body' : 'body markdown' });
    const item = make('li', { className: `message ${message.role}` }, body);
    item.setAttribute('aria-label', isUser ? 'You' : 'Answer');
    this.#list.append(item);
    return item;
  }

  #foot(message: ChatMessage): HTMLElement {
    const regenerate = make(
      'button',
      { type: 'button', className: 'tool regenerate' },
      icon('retry'),
      make('span', { textContent: 'Regenerate' }),
    );
    regenerate.addEventListener('click', () => void this.#chat.regenerate());
    return make(
      'div',
      { className: 'message-foot' },
      copyButton('Copy', () => messageText(message)),
      regenerate,
      make('span', { className: 'facts figures', textContent: factsOf(message) }),
    );
  }
}

/** `128 tokens, 41 tok/s, first after 180 ms`. */
function factsOf(message: ChatMessage): string {
  if (!message.metadata) return '';
  const { finish, usage, timing } = message.metadata;
  const facts = [`${usage.completionTokens} ${usage.completionTokens === 1 ? 'token' : 'tokens'}`];
  if (usage.completionTokens > 1) facts.push(formatRate(timing.decodeTokensPerSecond));
  if (usage.completionTokens > 0) facts.push(`first after ${formatDuration(timing.ttftMs)}`);
  if (finish === 'abort') facts.push('stopped');
  if (finish === 'length') facts.push('cut at the token limit');
  return facts.join(' · ');
}

function thinkingItem(): HTMLLIElement {
  const lights = make('div', { className: 'thinking' }, make('i'), make('i'), make('i'));
  return make(
    'li',
    { className: 'message' },
    lights,
    make('span', { className: 'spoken', textContent: 'Reading' }),
  );
}
