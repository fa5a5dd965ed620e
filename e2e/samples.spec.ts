import { expect, test, tinyModel } from './site.ts';

const model = `?model=${tinyModel}`;

test('the script tag works, without isolation of the page', async ({ page }) => {
  await page.goto(`/script-tag.html${model}`);
  await expect(page.getByRole('status')).toContainText('is ready');
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('status')).toHaveText('Done.');
  await expect(page.getByRole('log')).not.toBeEmpty();
});

test('the script tag finds the embedded model beside itself', async ({ page }) => {
  await page.goto('/script-tag.html');
  await expect(page.getByRole('status')).toContainText('is ready');
});

test('a strict Content-Security-Policy is satisfied by workerUrl', async ({ page }) => {
  await page.goto(`/csp.html${model}`);
  await expect(page.getByRole('status')).toContainText('is ready');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('status')).toHaveText('Done.');
  await expect(page.getByRole('log')).not.toBeEmpty();
});

test('a strict Content-Security-Policy without workerUrl gives the error that names it', async ({
  page,
}) => {
  await page.goto(`/csp.html${model}&worker=inlined`);
  await expect(page.getByRole('status')).toContainText('workerUrl');
});

test('React hooks load and chat', async ({ page }) => {
  await page.goto(`/react/${model}`);
  await page.getByRole('textbox', { name: 'Message' }).fill('Hello');
  await page.keyboard.press('Enter');
  const messages = page.getByRole('list', { name: 'Conversation' }).getByRole('listitem');
  await expect(messages).toHaveCount(2);
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeEnabled();
  await expect(messages.first()).toHaveText('Hello');
  await expect(messages.last()).not.toBeEmpty();
});

test('<vitrail-chat> loads when the first message is sent, answers, and announces', async ({
  page,
}) => {
  await page.goto(`/element.html${model}`);
  const chat = page.locator('vitrail-chat');
  await chat.getByRole('textbox', { name: 'Message' }).fill('Hello');
  await chat.getByRole('button', { name: 'Send' }).click();
  await expect(chat.getByRole('status')).toContainText('is ready');
  await expect(chat.getByRole('button', { name: 'Stop' })).toBeHidden();
  await expect(chat.getByRole('listitem', { name: 'Answer' })).not.toBeEmpty();
});
