import { type Browser, chromium, type Page } from '@playwright/test';
import { ensureChromium } from '../scripts/chromium.mjs';
import { expect, test } from './site.ts';

/** A browser without the flags that give it a GPU: what visitors have whose driver is blocked. */
let browser: Browser;
test.beforeAll(async () => {
  const insecureHost = '--host-resolver-rules=MAP insecure.test 127.0.0.1';
  browser = await chromium.launch({
    executablePath: ensureChromium(),
    args: ['--no-sandbox', '--disable-gpu', insecureHost],
  });
});
test.afterAll(() => browser.close());

const tell = (page: Page) =>
  page.evaluate(async () => ({
    support: await vitrail.checkSupport(),
    failure: await failureOf(vitrail.createRuntime()),
  }));

test('without an adapter both say why, and the demo shows it', async ({ site }) => {
  const page = await browser.newPage();
  await page.goto(`${site.url}/pages/blank.html`);
  const { support, failure } = await tell(page);
  expect(support).toMatchObject({ ok: false, tier: null, missing: ['GPU adapter'] });
  expect(failure).toMatchObject({ name: 'VitrailError', code: 'gpu-unavailable' });
  expect(failure?.fix).toContain('driver');
  await page.goto(site.url);
  await expect(page.getByRole('alert')).toContainText('gpu-unavailable');
  await page.close();
});

test('an insecure page is told to use https', async ({ site }) => {
  const page = await browser.newPage();
  await page.goto(`${site.url.replace('localhost', 'insecure.test')}/pages/blank.html`);
  const { support, failure } = await tell(page);
  expect(support).toMatchObject({ ok: false, missing: ['secure context (https)'] });
  expect(failure?.fix).toContain('https');
  await page.close();
});
