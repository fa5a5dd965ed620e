import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { embeddedModel, expect, root, test, tinyModel } from './site.ts';

const modelName = (page: Page) => page.locator('#model-name');
const answers = (page: Page) => page.getByRole('listitem', { name: 'Answer' });

/** Short answers, set once: later visits keep what the page itself saved. */
/** Opens the page, unless told otherwise with the smaller model, which is quick on a software adapter. */
async function openDemo(page: Page, address = `/?model=${embeddedModel}`): Promise<void> {
  await page.addInitScript(() => {
    const generate = { temperature: 0, maxTokens: 24 };
    localStorage['vitrail-demo'] ??= JSON.stringify({ settings: { system: '', generate } });
  });
  await page.goto(address);
}

async function send(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  // The button waits for the model: on a busy software adapter for that which it takes the place of, too.
  await page.getByRole('button', { name: 'Send' }).click({ timeout: 45_000 });
}

async function setSettings(page: Page, values: Record<string, string>): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).click();
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label).fill(value);
  await page.keyboard.press('Escape');
}

/** What the page keeps of its last message. */
function lastMessage(page: Page): Promise<{ id: string; role: string; text: string }> {
  return page.evaluate(() => {
    const { id, role, parts } = JSON.parse(localStorage['vitrail-demo']).messages?.at(-1) ?? {};
    return { id, role, text: parts?.[0]?.text ?? '' };
  });
}

/** Waits for an answer to end, another one than `before`. */
async function finished(page: Page, before?: string): Promise<{ id: string; text: string }> {
  await expect
    .poll(async () => {
      const { id, role } = await lastMessage(page);
      return role === 'assistant' && id !== before;
    })
    .toBe(true);
  return lastMessage(page);
}

test('opens the embedded model, streams an answer token by token, and keeps the conversation', async ({
  page,
}) => {
  test.setTimeout(60_000);
  await openDemo(page, '/');
  await expect(modelName(page)).toHaveText(/Vitrail Small/);
  await expect(page.locator('#adapter-line')).toContainText('tier C');
  await page.evaluate(() => {
    const lengths = new Set<number>();
    Object.assign(window, { lengths });
    new MutationObserver(() => {
      lengths.add(document.querySelector('.message.assistant .body')?.textContent?.length ?? 0);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await send(page, 'Tell me a bedtime story about a fox and a bear.');
  await expect(answers(page).first()).toContainText('24 tokens');
  const lengths = await page.evaluate(
    () => (window as never as { lengths: Set<number> }).lengths.size,
  );
  expect(lengths).toBeGreaterThan(5);
  const said = await answers(page).first().locator('.body').textContent();
  await page.reload();
  await expect(answers(page).first().locator('.body')).toHaveText(said ?? '');
});

test('opens a model by its address, and the second visit needs no network for it', async ({
  page,
  site,
}) => {
  // Three models are loaded, the larger one first.
  test.slow();
  await openDemo(page, '/');
  await page.getByRole('button', { name: /Choose model/ }).click();
  await page.getByLabel('Any GGUF file, by address').fill(`${site.url}${tinyModel}`);
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await expect(modelName(page)).toHaveText(/llama3/i);
  await send(page, 'Hello');
  await expect(answers(page).first()).toContainText('tokens');
  await expect
    .poll(() => page.evaluate(() => JSON.parse(localStorage['vitrail-demo']).model))
    .not.toBeNull();

  const before = site.rangesOf(tinyModel).length;
  site.faults.set(tinyModel, () => ({ status: 503 }));
  await page.reload();
  await expect(modelName(page)).toHaveText(/llama3/i);
  await page.getByRole('button', { name: 'New chat' }).click();
  await send(page, 'Hello again');
  await expect(answers(page).first()).toContainText('tokens');
  expect(site.rangesOf(tinyModel).length).toBe(before);
});

test('opens a file from the file input', async ({ page }) => {
  await openDemo(page);
  await page.getByRole('button', { name: /Choose model/ }).click();
  await page
    .getByLabel('Open a file from this computer')
    .setInputFiles(resolve(root, 'e2e/fixtures/models/qwen3.gguf'));
  await expect(modelName(page)).toHaveText(/qwen3/i);
  await send(page, 'Hello');
  await expect(answers(page).first()).toContainText('tokens');
});

test('opens a file that is dropped on the page', async ({ page }) => {
  await openDemo(page);
  const dropped = await page.evaluateHandle(async (url) => {
    const transfer = new DataTransfer();
    const bytes = await (await fetch(url)).arrayBuffer();
    transfer.items.add(new File([bytes], 'dropped.gguf'));
    return transfer;
  }, '/fixtures/phi3.gguf');
  await page.dispatchEvent('body', 'dragover', { dataTransfer: dropped });
  await expect(page.getByText('Drop the model file to open it')).toBeVisible();
  await page.dispatchEvent('body', 'drop', { dataTransfer: dropped });
  await expect(modelName(page)).toHaveText(/dropped|phi3/i);
  await send(page, 'Hello');
  await expect(answers(page).first()).toContainText('tokens');
});

test('stops as soon as it is asked to, and answers anew', async ({ page }) => {
  await openDemo(page);
  await expect(modelName(page)).toHaveText(/vitrail.books/i);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Longest answer').fill('400');
  await page.keyboard.press('Escape');
  await send(page, 'It was a dark evening, and');
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(answers(page).first()).toContainText('stopped');
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await expect(answers(page).first().locator('.body')).not.toBeEmpty();
  await page.keyboard.press('Escape');
  await expect(answers(page)).toHaveCount(1);
  await expect(answers(page).first()).toContainText('stopped');

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Longest answer').fill('8');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await expect(answers(page).first()).toContainText('8 tokens');
  await expect(answers(page)).toHaveCount(1);
});

test('copies an answer', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await openDemo(page);
  await send(page, 'The old house stood at the end of');
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const kept = await page.evaluate(() => JSON.parse(localStorage['vitrail-demo']).messages[1]);
  expect(copied).toBe(kept.parts[0].text);
  expect(copied.length).toBeGreaterThan(20);
});

test('repeats an answer by its seed, and keeps the settings', async ({ page }) => {
  await openDemo(page);
  await setSettings(page, { Temperature: '1.5', Seed: '7' });
  await send(page, 'The old house stood at the end of');
  const answer = answers(page).first();
  const first = await finished(page);
  await page.getByRole('button', { name: 'Regenerate' }).click();
  expect(await finished(page, first.id)).toMatchObject({ text: first.text });

  await setSettings(page, { Seed: '8' });
  const { id } = await lastMessage(page);
  await page.getByRole('button', { name: 'Regenerate' }).click();
  expect((await finished(page, id)).text).not.toBe(first.text);
  await expect(answer).toContainText('24 tokens');

  await page.reload();
  await page.getByRole('button', { name: 'Settings' }).click();
  await expect(page.getByLabel('Seed')).toHaveValue('8');
  await expect(page.getByLabel('Temperature')).toHaveValue('1.5');
  await page.getByRole('button', { name: 'Restore defaults' }).click();
  await expect(page.getByLabel('Seed')).toHaveValue('');
  await expect(page.getByLabel('Temperature')).toHaveValue('0.7');
});

test('draws as the file of the model recommends, until the visitor says otherwise', async ({
  page,
}) => {
  await page.goto('/');
  await expect(page.locator('#model-name')).toContainText('Vitrail Small', { timeout: 40_000 });
  const temperature = page.getByLabel('Temperature');
  await expect(temperature).toHaveValue('0.3');
  await setSettings(page, { Temperature: '1' });
  await page.reload();
  await page.getByRole('button', { name: 'Settings' }).click();
  await expect(temperature).toHaveValue('1');
  await page.getByRole('button', { name: 'Restore defaults' }).click();
  await expect(temperature).toHaveValue('0.3', { timeout: 40_000 });
});

test('lists what is stored, verifies it and deletes it', async ({ page, site }) => {
  await openDemo(page, `/?model=${site.url}${tinyModel}`);
  await expect(page.getByText('is ready')).toBeAttached();
  await page.getByRole('button', { name: 'Storage' }).click();
  const storage = page.getByRole('dialog', { name: 'Storage' });
  await storage.getByRole('button', { name: /^Verify/ }).click();
  await expect(storage.getByText('Every byte is as it was downloaded.')).toBeVisible();
  await storage.getByRole('button', { name: /^Delete/ }).click();
  await expect(storage.getByText('No models are stored yet.')).toBeVisible();
});

test('says what to do when a load fails, tries again, and stays usable', async ({ page, site }) => {
  site.faults.set(tinyModel, () => ({ status: 404 }));
  await openDemo(page, `/?model=${site.url}${tinyModel}`);
  const error = page.getByRole('alert');
  await expect(error).toContainText('network');
  await expect(error.locator('#error-fix')).not.toBeEmpty();
  await error.getByRole('button', { name: 'Dismiss' }).click();
  await expect(error).toBeHidden();
  await page
    .locator('#welcome-models')
    .getByRole('button', { name: /Vitrail Books/ })
    .click();
  await send(page, 'Hello');
  await expect(answers(page).first()).toContainText('tokens');

  await page.reload();
  await expect(error).toContainText('network');
  site.faults.clear();
  await error.getByRole('button', { name: 'Try again' }).click();
  await expect(modelName(page)).toHaveText(/llama3/i);
  await expect(error).toBeHidden();
});

test('keeps its embedded model a click away', async ({ page, site }) => {
  await openDemo(page, `/?model=${site.url}${tinyModel}`);
  await expect(modelName(page)).toHaveText(/llama3/i);
  await page.getByRole('button', { name: /Choose model/ }).click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /Vitrail Books/ })
    .first()
    .click();
  await expect(modelName(page)).toHaveText(/Vitrail Books/);
  // The name stands there as soon as the model is chosen.
  await expect.poll(() => site.rangesOf(embeddedModel).length).toBeGreaterThan(0);
});

test('goes round automatic, light and dark, and remembers', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await openDemo(page);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole('button', { name: 'Theme: automatic' }).click();
  await page.getByRole('button', { name: 'Theme: light' }).click();
  await expect(page.getByRole('button', { name: 'Theme: dark' })).toBeVisible();
  expect(await background()).not.toBe(light);
  await page.reload();
  await expect(page.getByRole('button', { name: 'Theme: dark' })).toBeVisible();
  expect(await background()).not.toBe(light);
});
