import { toVitrailError, type VitrailError } from '../../errors.ts';
import type { Color } from '../../types.ts';
import type { Avatar, AvatarView, Runtime } from '../api.ts';
import { followChat } from '../follow-chat.ts';
import { createRuntime } from '../runtime.ts';
import { describeProgress } from './progress-text.ts';
import type { VitrailChatElement } from './vitrail-chat.ts';

/** On a server there are no elements to extend; importing must work there all the same. */
const ElementBase: typeof HTMLElement = globalThis.HTMLElement ?? class {};

/**
 * `<vitrail-avatar src="avatar.zip">`: splats or an avatar to look at from all sides.
 *
 * Attributes: `src` (left out: the embedded avatar), `label` (the text alternative), `background` (`#rrggbb`; left out: transparent), `clip` (plays in a loop), `still` (no
 * idle motion; a visitor who prefers reduced motion has it anyway), `body` (`networks`: through the networks of its body), `chat` (the id of a `<vitrail-chat>` of the same document or shadow tree: the avatar listens while
 * someone types there, thinks, and says the answers), `worker-url`.
 * Property `avatar`: the loaded avatar, or null. Events: `vitrail-ready` (detail: its info), `vitrail-error` (detail: the VitrailError).
 * Parts: root, canvas, note, progress, error, retry.
 */
export class VitrailAvatarElement extends ElementBase {
  static readonly observedAttributes: readonly string[] = ['src', 'background', 'label', 'chat'];
  avatar: Avatar | null = null;
  #root: ShadowRoot | undefined;
  #runtime: Runtime | undefined;
  #view: AvatarView | undefined;
  #unfollow: (() => void) | undefined;
  #loading: AbortController | undefined;

  connectedCallback(): void {
    if (!this.#root) {
      this.#root = this.attachShadow({ mode: 'open' });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(styles);
      this.#root.adoptedStyleSheets = [sheet];
      this.#root.innerHTML = markup;
      this.#get('.retry').addEventListener('click', () => void this.load());
    }
    if (!this.avatar && !this.#loading) void this.load();
  }

  disconnectedCallback(): void {
    // Moving an element in the document disconnects and connects it in one task: wait and see whether it is gone.
    queueMicrotask(() => {
      if (!this.isConnected) void this.#close();
    });
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (!this.#root || before === after) return;
    if (name === 'src') void this.load();
    else if (name === 'chat') this.#follow();
    else if (name === 'background') this.#view?.setBackground(this.#background());
    else this.#get('.slot').firstElementChild?.setAttribute('aria-label', this.#label());
  }

  /** Loads what `src` says; resolves when it is shown, or the failure is. */
  async load(): Promise<void> {
    const source = this.getAttribute('src') ?? undefined;
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    await this.#closeAvatar();
    this.#showError(null);
    this.#showNote('Starting …', 0);
    try {
      const avatar = await this.#open(source, loading.signal);
      if (loading.signal.aborted) return await avatar.dispose();
      this.#show(avatar);
    } catch (thrown) {
      const error = toVitrailError(thrown, 'vitrail-avatar/load');
      if (!loading.signal.aborted) this.#showError(error);
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }

  async #open(source: string | undefined, signal: AbortSignal): Promise<Avatar> {
    const workerUrl = this.getAttribute('worker-url');
    this.#runtime ??= await createRuntime(workerUrl ? { workerUrl } : {});
    return this.#runtime.loadAvatar(source, {
      ...(this.getAttribute('body') === 'networks' ? { body: 'networks' } : {}),
      signal,
      onProgress: (progress) =>
        this.#showNote(describeProgress(progress), progress.loadedBytes / progress.totalBytes),
    });
  }

  #show(avatar: Avatar): void {
    const canvas = document.createElement('canvas');
    canvas.part.add('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.#label());
    this.#get('.slot').replaceChildren(canvas);
    this.avatar = avatar;
    this.#view = avatar.attach(canvas, { background: this.#background() });
    this.#view.on('error', (error) => this.#showError(error));
    this.#showNote('Preparing the first picture …', 0);
    const forgetFirst = this.#view.on('stats', () => {
      this.#get('.note').hidden = true;
      forgetFirst();
    });
    const clip = this.getAttribute('clip');
    const rigged = avatar.info.expressions.length > 0;
    const still =
      this.hasAttribute('still') || matchMedia('(prefers-reduced-motion: reduce)').matches;
    const moving = [
      rigged && !still ? avatar.setIdle(true) : null,
      clip && !still ? avatar.play(clip, { loop: true }) : null,
    ];
    Promise.all(moving).catch((thrown) =>
      this.#showError(toVitrailError(thrown, 'vitrail-avatar/clip')),
    );
    this.#follow();
    this.#fire('vitrail-ready', avatar.info);
  }

  /** Takes part in the chat that `chat` names, as soon as the page has it. */
  #follow(): void {
    this.#unfollow?.();
    this.#unfollow = undefined;
    const { avatar } = this;
    const id = this.getAttribute('chat');
    if (!avatar || !id) return;
    void customElements.whenDefined('vitrail-chat').then(() => {
      const root = this.getRootNode() as Document | ShadowRoot;
      const element = root.getElementById(id) as VitrailChatElement | null;
      if (avatar !== this.avatar || this.#unfollow || !element?.chat) return;
      this.#unfollow = followChat(avatar, element.chat, { input: element });
    });
  }

  #label(): string {
    return this.getAttribute('label') ?? 'A figure in three dimensions. Arrow keys turn it.';
  }

  #background(): Color | null {
    const digits = /^#([0-9a-f]{6})$/i.exec(this.getAttribute('background') ?? '')?.[1];
    if (!digits) return null;
    const value = Number.parseInt(digits, 16);
    return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
  }

  #showNote(text: string, share: number): void {
    this.#get('.note').hidden = false;
    this.#get('.text').textContent = text;
    const bar = this.#get<HTMLProgressElement>('progress');
    if (share > 0 && share <= 1) bar.value = share;
    else bar.removeAttribute('value');
  }

  #showError(error: VitrailError | null): void {
    this.#get('.error').hidden = error === null;
    if (!error) return;
    this.#get('.note').hidden = true;
    this.#get('.what').textContent = error.message;
    this.#get('.fix').textContent = error.fix;
    this.#fire('vitrail-error', error);
  }

  async #closeAvatar(): Promise<void> {
    this.#unfollow?.();
    this.#unfollow = undefined;
    this.#view?.stop();
    this.#view = undefined;
    const { avatar } = this;
    this.avatar = null;
    this.#get('.slot').replaceChildren();
    await avatar?.dispose();
  }

  async #close(): Promise<void> {
    this.#loading?.abort();
    await this.#closeAvatar();
    const runtime = this.#runtime;
    this.#runtime = undefined;
    await runtime?.dispose();
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #get<Found extends HTMLElement>(selector: string): Found {
    return this.#root?.querySelector(selector) as Found;
  }
}

const markup = `
<div class="root" part="root">
  <div class="slot"></div>
  <div class="note" part="note" role="status"><span class="text"></span><progress part="progress" max="1"></progress></div>
  <div class="error" part="error" role="alert" hidden>
    <p class="what"></p><p class="fix"></p><button class="retry" part="retry" type="button">Try again</button>
  </div>
</div>`;

const styles = `
:host { display: block; block-size: 28rem; font: 400 1rem/1.5 var(--vitrail-font, ui-sans-serif, system-ui, sans-serif); color-scheme: light dark; }
:host([hidden]) { display: none; }
[hidden] { display: none !important; }
.root { position: relative; block-size: 100%; overflow: hidden; border-radius: var(--vitrail-radius, 14px); }
.slot { position: absolute; inset: 0; }
canvas { display: block; inline-size: 100%; block-size: 100%; cursor: grab; touch-action: none; }
canvas:active { cursor: grabbing; }
.note, .error { position: absolute; inset: 0; display: grid; align-content: center; justify-items: center; gap: .75rem; padding: 1.5rem; text-align: center; color: var(--vitrail-muted, light-dark(#5b6070, #a2a8b8)); font-variant-numeric: tabular-nums; }
.error p { margin: 0; max-inline-size: 32rem; }
.what { color: var(--vitrail-error, light-dark(#a8231c, #ff9d94)); font-weight: 600; }
progress { inline-size: min(16rem, 80%); block-size: 6px; accent-color: var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); }
.retry { min-block-size: 2.6rem; padding: 0 1rem; font: inherit; font-weight: 600; border-radius: 10px; border: 1px solid currentColor; background: none; color: inherit; cursor: pointer; }
:focus-visible { outline: 2px solid var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); outline-offset: -3px; }
`;
