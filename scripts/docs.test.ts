import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorCodes } from '../src/errors.ts';

const root = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

it('docs/errors.md has a section for each code, in their order', () => {
  const sections = [...read('docs/errors.md').matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  expect(sections).toEqual(errorCodes);
});

it('ARCHITECTURE.md stays short', () => {
  expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(200);
});

/** The names GitHub gives the headings of a page. */
function anchors(page: string): string[] {
  const titles = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase());
  return titles.map((title) => title.replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-'));
}

const pages = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => /^(README|ARCHITECTURE|(docs|bench|models|train)\/.*)\.md$/.test(path))
  .filter((path) => !path.includes('node_modules'));

it.each(pages)('%s links to files and headings that exist', (page) => {
  for (const [, link = ''] of read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
    const [path = '', heading] = link.split('#');
    const target = path ? new URL(path, new URL(page, root)) : new URL(page, root);
    expect(existsSync(target), link).toBe(true);
    if (heading) expect(anchors(readFileSync(target, 'utf8')), link).toContain(heading);
  }
});
