import DOMPurify from 'dompurify';
import { marked } from 'marked';
import { icon, make } from './dom.ts';

/**
 * Shows markdown as safe HTML. What a model writes is not trusted: no scripts, no styles, no images, since fetching one
 * would tell its server what the model was made to write.
 */
export function renderMarkdown(target: HTMLElement, text: string): void {
  const html = marked.parse(text, { async: false, breaks: true, gfm: true });
  const safe = DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    FORBID_TAGS: ['img', 'picture', 'video', 'audio', 'style', 'form', 'input', 'button'],
    FORBID_ATTR: ['style', 'class', 'id'],
  });
  for (const link of safe.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  target.replaceChildren(safe);
}

/** A copy button that says that it did. */
export function copyButton(label: string, text: () => string): HTMLButtonElement {
  const caption = make('span', { textContent: label });
  const button = make('button', { type: 'button', className: 'tool' }, icon('copy'), caption);
  button.addEventListener('click', async () => {
    const copied = await navigator.clipboard.writeText(text()).then(
      () => true,
      () => false,
    );
    caption.textContent = copied ? 'Copied' : 'Copying is not allowed here';
    button.replaceChildren(icon(copied ? 'check' : 'copy'), caption);
    setTimeout(() => {
      caption.textContent = label;
      button.replaceChildren(icon('copy'), caption);
    }, 1600);
  });
  return button;
}
