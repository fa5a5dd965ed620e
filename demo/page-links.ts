import { byId, make } from './dom.ts';
import { readSavedState } from './saved-state.ts';
import { showTheme } from './theme.ts';

const pages = [
  ['./', 'Chat'],
  ['./avatar.html', 'Avatars'],
  ['./camera.html', 'Road'],
  ['./long.html', 'Long texts'],
  ['./bench.html', 'GPU speed'],
] as const;

/** What all pages of the demo share: links to the others in #pages, and the theme that the chat's button chose. */
export function setUpPage(): void {
  showTheme(readSavedState().theme);
  const links = pages.map(([href, textContent]) => {
    const link = make('a', { href, textContent });
    if (placeOf(link.href) === placeOf(location.href)) link.setAttribute('aria-current', 'page');
    return link;
  });
  byId('pages').replaceChildren(...links);
}

/** Hosts differ in whether `.html` and `index` stand in an address. */
function placeOf(href: string): string {
  return new URL(href).pathname.replace(/(index)?(\.html)?$/, '');
}
