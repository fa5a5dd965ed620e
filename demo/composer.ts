import type { Chat } from 'vitrail';
import { byId } from './dom.ts';

/** The input line: Enter sends, Shift+Enter makes a line, Escape stops the answer. */
export class Composer {
  readonly #chat: Chat;
  readonly #prompt = byId<HTMLTextAreaElement>('prompt');
  readonly #send = byId<HTMLButtonElement>('send');
  readonly #stop = byId<HTMLButtonElement>('stop');

  constructor(chat: Chat, ask: (text: string) => void) {
    this.#chat = chat;
    const form = byId<HTMLFormElement>('composer');
    this.#prompt.addEventListener('input', () => this.show());
    this.#prompt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#send.disabled || this.#send.hidden) return;
      const text = this.#prompt.value.trim();
      this.#prompt.value = '';
      ask(text);
    });
    this.#stop.addEventListener('click', () => void chat.stop());
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) void chat.stop();
    });
  }

  focus(): void {
    // On a touch screen the keyboard would cover half the page, unasked.
    if (matchMedia('(pointer: fine)').matches) this.#prompt.focus({ preventScroll: true });
  }

  /** Brings the buttons in line with the state of the chat. */
  show(): void {
    const { status } = this.#chat.getState();
    const running = status === 'submitted' || status === 'streaming';
    if (running === this.#stop.hidden) this.#swapButtons(running);
    this.#send.disabled = !this.#chat.options.model || this.#prompt.value.trim() === '';
  }

  /** Send or Stop. The button that began or ended an answer goes away: the focus that it has must not go with it. */
  #swapButtons(running: boolean): void {
    const focused = document.activeElement;
    this.#send.hidden = running;
    this.#stop.hidden = !running;
    if (focused === this.#stop) this.focus();
    else if (running && focused?.matches('main button')) this.#stop.focus();
  }
}
