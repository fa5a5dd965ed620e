import { readFileSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorCodes } from '../src/errors.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

it('docs/errors.md has a section for each code, in their order', () => {
  const sections = [...read('docs/errors.md').matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  expect(sections).toEqual(errorCodes);
});

it('ARCHITECTURE.md stays short', () => {
  expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(200);
});

it.each([
  'README.md',
  'ARCHITECTURE.md',
  'docs/add-a-kernel.md',
  'docs/add-a-model.md',
  'docs/add-a-quantization.md',
])('%s links to files that exist', (page) => {
  const base = new URL(`../${page}`, import.meta.url);
  const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(
    ([, link]) => link ?? '',
  );
  for (const link of links) expect(() => statSync(new URL(link, base)), link).not.toThrow();
});
