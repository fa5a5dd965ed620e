import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import { embeddedModel, expect, test } from './site.ts';

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
  // The smaller model, which is quick on a software adapter.
  await page.goto(`/?model=${embeddedModel}`);
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

test('the bench has no violations, before and after a run', async ({ page }) => {
  await page.goto('/bench.html');
  expect(await violations(page)).toEqual([]);
  await page.getByLabel('Model, by address').fill(embeddedModel);
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByRole('button', { name: 'Copy result' })).toBeVisible({ timeout: 35_000 });
  expect(await violations(page)).toEqual([]);
});

test('the samples have no violations', async ({ page }) => {
  for (const sample of [
    '/script-tag.html',
    '/element.html',
    '/csp.html',
    '/react/',
    '/avatar.html',
    '/camera.html',
    '/long.html',
  ]) {
    await page.goto(sample);
    if (sample === '/csp.html') continue; // Its policy keeps axe-core out, as it should.
    expect(await violations(page), sample).toEqual([]);
  }
});

test('the keyboard alone reaches everything, and sees where it is', async ({ page }) => {
  await openDemo(page);
  await askSomething(page);
  // The input line shows its focus by the border around it.
  const border = () =>
    page.locator('.composer').evaluate((form) => getComputedStyle(form).borderColor);
  await page.locator('#prompt').focus();
  const focusedBorder = await border();
  await page.locator('#prompt').blur();
  await expect.poll(border).not.toBe(focusedBorder);

  const reached = new Set<string>();
  for (let step = 0; step < 14; step++) {
    await page.keyboard.press('Tab');
    const { name, outline } = await page.evaluate(() => {
      const focused = document.activeElement as HTMLElement;
      const name = focused === document.body ? '' : focused.id || focused.textContent?.trim();
      return { name, outline: getComputedStyle(focused).outlineStyle };
    });
    if (!name) continue;
    reached.add(name);
    if (name !== 'prompt') expect(outline, name).toBe('solid');
  }
  const wanted = ['model-button', 'new-chat', 'storage-button', 'settings-button', 'theme-button'];
  expect([...reached]).toEqual(expect.arrayContaining([...wanted, 'Copy', 'Regenerate', 'prompt']));
});

test('dialogs open, keep and give back the focus by keyboard', async ({ page }) => {
  await openDemo(page);
  for (const id of ['model-button', 'settings-button', 'storage-button']) {
    const button = page.locator(`#${id}`);
    const dialog = page.getByRole('dialog');
    await button.focus();
    await page.keyboard.press('Enter');
    await expect(dialog).toBeVisible();
    for (let step = 0; step < 3; step++) {
      await page.keyboard.press('Tab');
      // Past the last control the browser's own come; never the page behind the dialog.
      const behind = await page.evaluate(() => document.activeElement?.closest('header, main'));
      expect(behind).toBeNull();
    }
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();
    await expect(button).toBeFocused();
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Close' }).focus();
    await page.keyboard.press('Enter');
    await expect(dialog).toBeHidden();
    await expect(button).toBeFocused();
  }
});

test('a whole chat by keyboard alone: ask, stop, ask again, and hear the answer', async ({
  page,
}) => {
  await openDemo(page);
  const answer = page.getByRole('listitem', { name: 'Answer' });
  // The input line has the focus as soon as the model is ready.
  await expect(page.locator('#prompt')).toBeFocused();
  await page.keyboard.type('It was a dark evening, and');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('the rain came down');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await expect(answer).toContainText('stopped');
  await expect(page.getByRole('listitem', { name: 'You' })).toHaveText(/and\s+the rain/);

  await page.keyboard.press('Shift+Tab');
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(answer).toContainText('24 tokens');
  const spoken = await page.locator('#announcer').textContent();
  expect(spoken).toBeTruthy();
  const said = await page.evaluate(
    () => JSON.parse(localStorage['vitrail-demo']).messages.at(-1).parts[0].text,
  );
  expect(said).toContain(spoken);
});

test('the focus is never lost with the button that had it', async ({ page }) => {
  await openDemo(page);
  await page.keyboard.type('It was a dark evening, and');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Send' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Stop' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('#prompt')).toBeFocused();
  // The answer's buttons come with the next frame.
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeVisible();
  await page.keyboard.press('Shift+Tab');
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('listitem', { name: 'Answer' })).toContainText('24 tokens');
  await expect(page.locator('#prompt')).toBeFocused();

  await page.getByRole('button', { name: 'New chat' }).focus();
  await page.keyboard.press('Enter');
  await page.locator('#suggestions button').first().focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Stop' })).toBeFocused();
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
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await overflow()).toBeLessThanOrEqual(0);
});
