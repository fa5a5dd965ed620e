import { startDevelopmentServer } from './development-server.ts';
import { embeddedModel, expect, test, tinyModel } from './site.ts';

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
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text());
  });
  await page.goto(`/csp.html${model}`);
  await expect(page.getByRole('status')).toContainText('is ready');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('status')).toHaveText('Done.');
  await expect(page.getByRole('log')).not.toBeEmpty();
  expect(complaints).toEqual([]);
});

test('a strict Content-Security-Policy without workerUrl gives the error that names it', async ({
  page,
}) => {
  await page.goto(`/csp.html${model}&worker=inlined`);
  await expect(page.getByRole('status')).toContainText('workerUrl');
});

test('React hooks load and chat', async ({ page }) => {
  await page.goto(`/react/${model}`);
  await expect(page.getByText('is ready')).toBeVisible();
  await page.getByRole('textbox', { name: 'Message' }).fill('Hello');
  await page.keyboard.press('Enter');
  const messages = page.getByRole('list', { name: 'Conversation' }).getByRole('listitem');
  await expect(messages).toHaveCount(2);
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeEnabled();
  await expect(messages.first()).toHaveText('Hello');
  await expect(messages.last()).not.toBeEmpty();
});

test('React hooks stop an answer and ask for it again', async ({ page }) => {
  await page.goto(`/react/?model=${embeddedModel}`);
  await page.getByRole('textbox', { name: 'Message' }).fill('It was a dark evening, and');
  await page.keyboard.press('Enter');
  const answer = page.getByRole('list', { name: 'Conversation' }).getByRole('listitem').last();
  for (const button of ['Stop', 'Regenerate', 'Stop']) {
    await page.getByRole('button', { name: button }).click();
  }
  await expect(page.getByRole('button', { name: 'Regenerate' })).toBeEnabled();
  await expect(answer).toHaveAttribute('class', 'assistant');
});

test('React hooks show what a failed load needs', async ({ page }) => {
  await page.goto('/react/?model=/missing.gguf');
  await expect(page.getByRole('alert')).toContainText('404');
});

test('React in StrictMode, which mounts everything twice, loads one model in one worker', async ({
  page,
}) => {
  // Only React's development build mounts twice: the development server has it.
  const server = await startDevelopmentServer(5310);
  try {
    let downloads = 0;
    page.on('request', (request) => {
      if (new URL(request.url()).pathname === embeddedModel) downloads += 1;
    });
    let workers = 0;
    page.on('worker', () => {
      workers += 1;
    });
    // A file so small that one request brings it.
    await page.goto(`${server.resolvedUrls?.local[0]}react/?model=${embeddedModel}`);
    await expect(page.getByText('is ready')).toBeVisible();
    expect(workers).toBe(1);
    expect(downloads).toBe(1);
    await page.getByRole('textbox', { name: 'Message' }).fill('Hello');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('listitem').last()).not.toBeEmpty();
  } finally {
    await server.close();
  }
});

test('<vitrail-chat> says why it cannot load, and loads by its button', async ({ page, site }) => {
  site.faults.set(tinyModel, () => ({ status: 404 }));
  await page.goto(`/element.html${model}`);
  const chat = page.locator('vitrail-chat');
  await chat.getByRole('button', { name: 'Load model' }).click();
  await expect(chat.getByRole('alert')).toContainText('404');
  site.faults.clear();
  await chat.getByRole('button', { name: 'Try again' }).click();
  await expect(chat.getByRole('alert')).toBeHidden();
  await expect(chat.getByRole('status')).toContainText('is ready');
  await expect(chat.getByRole('button', { name: 'Load model' })).toBeHidden();
});

test('<vitrail-chat> gives a slow load up when asked to', async ({ page, site }) => {
  site.faults.set(tinyModel, () => ({ bytesPerSecond: 20_000 }));
  await page.goto(`/element.html${model}`);
  const chat = page.locator('vitrail-chat');
  await chat.getByRole('button', { name: 'Load model' }).click();
  await expect(chat.getByRole('progressbar')).toBeVisible();
  await chat.getByRole('button', { name: 'Cancel' }).click();
  await expect(chat.getByRole('button', { name: 'Load model' })).toBeVisible();
  await expect(chat.getByRole('alert')).toBeHidden();
});

test('<vitrail-chat> loads when the first message is sent, answers, and announces', async ({
  page,
}) => {
  await page.goto('/element.html');
  const chat = page.locator('vitrail-chat');
  await chat.evaluate((element) => element.setAttribute('max-tokens', '24'));
  await chat.getByRole('textbox', { name: 'Message' }).fill('The old house stood at the end of');
  await chat.getByRole('button', { name: 'Send' }).click();
  const answer = chat.getByRole('listitem', { name: 'Answer' });
  await expect(answer).not.toBeEmpty();
  await expect(chat.getByRole('button', { name: 'Stop' })).toBeHidden();
  // The last sentence of the answer, complete.
  const announced = await chat.getByRole('status').textContent();
  expect(announced).toBeTruthy();
  await expect(answer).toContainText(announced ?? '');
});
