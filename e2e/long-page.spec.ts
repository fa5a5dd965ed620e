import { expect, test } from './site.ts';

/** The small model: a step of the default one takes longer here. */
const page = '/long.html?src=/models/vitrail-books.gguf&sentences=12';

test('a long text is read, answered, and what was looked at is shown', async ({ page: tab }) => {
  await tab.goto(page);
  await tab.getByRole('button', { name: 'A sample with a hidden key' }).click();
  await expect(tab.locator('#text')).toHaveValue(/The pass key is \d{5}\. Remember it\./);
  await tab.getByLabel('Dense').check();
  await tab.getByRole('button', { name: 'Ask' }).click();
  await expect(tab.locator('#status')).toHaveText('Done.', { timeout: 60_000 });
  await expect(tab.locator('#answer')).not.toBeEmpty();
  await expect(tab.locator('#cache')).toHaveText(/\d+(\.\d)? [KM]B/);
  // Dense: every token, in every layer.
  await expect(tab.locator('#summary')).toHaveText(
    /Of (\d+) tokens, each layer looks at \1; \1 are looked at/,
  );
  const words = tab.locator('#tokens span');
  await expect(words.first()).toHaveAttribute('data-heat', '8');

  await tab.getByLabel('MatryoshkaKV').check();
  await tab.getByRole('button', { name: 'Ask' }).click();
  await expect(tab.getByRole('alert')).toContainText('matryoshka', { ignoreCase: true });
});
