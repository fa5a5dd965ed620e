import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import { expect, test } from './site.ts';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe-core finds by the rules of WCAG 2.2 AA and its own good practices: a line each. */
async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axe });
  return page.evaluate(async () => {
    const { axe } = window as never as { axe: typeof import('axe-core') };
    const found = await axe.run(document, { resultTypes: ['violations'] });
    return found.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
  });
}

async function openDemo(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const generate = { temperature: 0, maxTokens: 24 };
    localStorage['vitrail-demo'] ??= JSON.stringify({ settings: { system: '', generate } });
  });
  await page.goto('/');
  await expect(page.getByText('is ready')).toBeAttached();
}

async function askSomething(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill('It was a dark evening, and');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('listitem', { name: 'Answer' })).toContainText('24 tokens');
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the demo has no violations in the ${colorScheme} theme`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await openDemo(page);
    expect(await violations(page)).toEqual([]);
    await askSomething(page);
    expect(await violations(page)).toEqual([]);
    for (const name of [/Choose model/, 'Settings', 'Storage']) {
      await page.getByRole('button', { name }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Escape');
    }
  });
}

test('the samples have no violations', async ({ page }) => {
  for (const sample of ['/script-tag.html', '/element.html', '/csp.html', '/react/']) {
    await page.goto(sample);
    if (sample === '/csp.html') continue; // Its policy keeps axe-core out, as it should.
    expect(await violations(page), sample).toEqual([]);
  }
});

test('the keyboard alone reaches everything', async ({ page }) => {
  await openDemo(page);
  const reached = new Set<string>();
  await page.locator('body').press('Tab');
  for (let step = 0; step < 20; step++) {
    reached.add(
      await page.evaluate(() => {
        const focused = document.activeElement as HTMLElement;
        return (
          focused.getAttribute('aria-label') ?? (focused.id || (focused.textContent ?? '').trim())
        );
      }),
    );
    await page.keyboard.press('Tab');
  }
  for (const id of ['model-button', 'storage-button', 'settings-button', 'theme-button', 'prompt'])
    expect([...reached]).toContain(id);

  await page.locator('#model-button').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Choose a model' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.locator('#model-button')).toBeFocused();

  await page.locator('#prompt').focus();
  await page.keyboard.type('It was a dark evening, and');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listitem', { name: 'Answer' })).toContainText('24 tokens');
  await expect(page.locator('#announcer')).not.toBeEmpty();
});

test('a phone shows everything without scrolling sideways', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await openDemo(page);
  await askSomething(page);
  const overflow = () =>
    page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
  expect(await overflow()).toBeLessThanOrEqual(0);
  expect(await violations(page)).toEqual([]);
  for (const name of [/Choose model/, 'Settings', 'Storage']) {
    await page.getByRole('button', { name }).click();
    const dialog = page.getByRole('dialog');
    const box = await dialog.boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(360);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await page.keyboard.press('Escape');
  }
});
