import { byId, icon, make } from './dom.ts';
import { saveState, type Theme } from './saved-state.ts';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];
const names: Record<Theme, string> = { auto: 'automatic', light: 'light', dark: 'dark' };

export function showTheme(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The button that goes round automatic, light and dark. */
export function setUpTheme(initial: Theme): void {
  const button = byId('theme-button');
  let theme = initial;
  const show = (): void => {
    showTheme(theme);
    const caption = make('span', { className: 'spoken', textContent: `Theme: ${names[theme]}` });
    button.replaceChildren(icon(theme), caption);
    button.title = `Theme: ${names[theme]}`;
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';
    saveState({ theme });
    show();
  });
  show();
}
