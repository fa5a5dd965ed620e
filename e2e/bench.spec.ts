import { embeddedModel, expect, test } from './site.ts';

test('the bench page measures a model and copies the result', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/bench.html');
  await page.getByLabel('Model, by address').fill(embeddedModel);
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused();
  const copy = page.getByRole('button', { name: 'Copy result' });
  await expect(copy).toBeVisible({ timeout: 35_000 });
  await expect(page.getByRole('row', { name: /^128 / })).toBeVisible();
  await expect(page.getByText('Warm load')).toBeVisible();

  await copy.click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  expect(report).toMatchObject({ model: 'Vitrail Books', fallback: true });
  expect(report.rows).toHaveLength(1);
  expect(report.rows[0].decodeTokensPerSecond).toBeGreaterThan(0);
  expect(report.callsPerToken).toMatchObject({ submits: 1, passes: 1, buffers: 0 });
  expect(report.gpuBytes).toBeGreaterThan(report.weightBytes);
});

test('the bench can be cancelled and started anew', async ({ page }) => {
  await page.goto('/bench.html');
  await page.getByRole('radio', { name: /Full/ }).check();
  await page.getByRole('button', { name: 'Start' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('button', { name: 'Start' })).toBeFocused();
  await expect(page.getByRole('alert')).toBeHidden();
});
