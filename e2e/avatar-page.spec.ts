import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { ensureChromium, softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { dataFolder, expect, lacksData, lacksDataReason, root, test } from './site.ts';

test.use({
  launchOptions: {
    executablePath: ensureChromium(),
    args: [...softwareAdapterFlags, ...softwareCanvasFlags],
  },
  // A small picture: the software adapter draws it fast.
  viewport: { width: 700, height: 420 },
});

/** A few splats with a rig. */
const madeUp = resolve(root, 'e2e/fixtures/avatars/made-up.zip');

async function openFile(page: Page, path: string): Promise<void> {
  await page.goto('/avatar.html');
  await page.locator('#file').setInputFiles(path);
  const name = path.split('/').at(-1) as string;
  await expect(page.getByRole('heading', { name })).toBeVisible({ timeout: 40_000 });
  await expect(page.locator('#stats')).toContainText('splats', { timeout: 40_000 });
}

/**
 * What pictures are without: figures, tools, the ring of the focus, and the gradient behind, which the browser rounds otherwise in some places once it
 * draws it anew.
 */
const bare =
  '#stats, #stage .tools { visibility: hidden } #slot canvas { outline: none !important } #stage { background-image: none !important }';

/** The picture on the stage, once two in a row are the same. */
async function settled(page: Page): Promise<Buffer> {
  const shot = (): Promise<Buffer> => page.locator('#slot canvas').screenshot({ style: bare });
  let last = await shot();
  await expect(async () => {
    const next = await shot();
    const same = next.equals(last);
    last = next;
    expect(same).toBe(true);
  }).toPass({ timeout: 30_000, intervals: [400] });
  return last;
}

/** Acts, waits for another picture, and gives it. */
async function changed(page: Page, before: Buffer, act: () => Promise<unknown>): Promise<Buffer> {
  await act();
  let now = before;
  await expect
    .poll(
      async () => {
        now = await settled(page);
        return now.equals(before);
      },
      { timeout: 30_000 },
    )
    .toBe(false);
  return now;
}

/** Acts, and waits until the picture is that of before. */
async function returned(page: Page, first: Buffer, act: () => Promise<unknown>): Promise<void> {
  await act();
  const same = async (): Promise<boolean> => (await settled(page)).equals(first);
  await expect.poll(same, { timeout: 30_000 }).toBe(true);
}

test.describe('with reduced motion', () => {
  test.use({ contextOptions: { reducedMotion: 'reduce' } });

  test('the picture rests, and mouse, wheel and keyboard move the camera', async ({ page }) => {
    await openFile(page, madeUp);
    await expect(page.getByLabel(/Idle/)).not.toBeChecked();
    await expect(page.locator('#stats')).toContainText('still', { timeout: 20_000 });
    const picture = page.getByRole('img', { name: /made-up.zip, in three dimensions/ });
    const box = await picture.boundingBox();
    if (!box) throw new Error('the picture has no place');
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const first = await settled(page);
    const dragged = await changed(page, first, async () => {
      await page.mouse.move(x, y);
      await page.mouse.down();
      await page.mouse.move(x + 70, y + 10, { steps: 3 });
      await page.mouse.up();
    });
    const zoomed = await changed(page, dragged, async () => {
      await picture.focus();
      await page.mouse.wheel(0, -300);
    });
    await changed(page, zoomed, () => page.keyboard.press('ArrowLeft'));
    await returned(page, first, () => page.getByRole('button', { name: 'Reset view' }).click());
  });

  test('a crowd comes and goes by the keyboard, and what is opened next is alone', async ({
    page,
  }) => {
    await openFile(page, madeUp);
    const first = await settled(page);
    const alone = await page.locator('#facts').textContent();
    const one = Number(/(\d+) splats/.exec(alone ?? '')?.[1]);
    const crowd = page.getByLabel(/Crowd/);
    const shown = (count: number): Promise<void> =>
      expect(page.locator('#stats')).toContainText(`${count.toLocaleString('en')} splats`, {
        timeout: 30_000,
      });
    await crowd.focus();
    await changed(page, first, () => page.keyboard.press('Space'));
    await shown(5 * one);
    await returned(page, first, () => page.keyboard.press('Space'));
    await page.keyboard.press('Space');
    await shown(5 * one);
    await page.getByRole('button', { name: 'Rose window' }).click();
    await expect(page.getByRole('heading', { name: 'Rose window' })).toBeVisible();
    await expect(page.locator('#crowd')).not.toBeChecked();
  });

  test('sliders, presets, clips and backgrounds do what they say; the picture can be saved', async ({
    page,
  }) => {
    await openFile(page, madeUp);
    const first = await settled(page);
    const slider = page.locator('#sliders input').first();
    await changed(page, first, () => slider.fill('1'));
    await returned(page, first, () => page.getByRole('button', { name: 'Neutral' }).click());
    await expect(slider).toHaveValue('0');

    const clip = page.locator('#clips button').first();
    await clip.click();
    await expect(clip).toHaveAttribute('aria-pressed', 'true');
    await expect(page.locator('#stats')).toContainText('fps', { timeout: 20_000 });
    await clip.click();
    await expect(clip).toHaveAttribute('aria-pressed', 'false');

    const saved = async (): Promise<number[]> => {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save picture' }).click();
      const file = await (await download).path();
      const base64 = readFileSync(file).toString('base64');
      return page.evaluate(async (data) => {
        const response = await fetch(`data:image/png;base64,${data}`);
        const image = await createImageBitmap(await response.blob());
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
        context?.drawImage(image, 0, 0);
        const corner = context?.getImageData(2, 2, 1, 1).data ?? [];
        return [Math.max(image.width, image.height), ...corner];
      }, base64);
    };
    expect(await saved()).toEqual([2048, 0, 0, 0, 0]);
    await page.getByLabel('Background colour').fill('#ff8000');
    await expect(page.locator('#stage')).toHaveCSS('background-color', 'rgb(255, 128, 0)');
    expect(await saved()).toEqual([2048, 255, 128, 0, 255]);
    await page.getByLabel('Background image').setInputFiles({
      name: 'blue.svg',
      mimeType: 'image/svg+xml',
      buffer: Buffer.from(
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="blue"/></svg>',
      ),
    });
    await expect(page.locator('#stage')).toHaveCSS('background-image', /^url\("blob:/);
    await page.getByRole('button', { name: 'None' }).click();
    await expect(page.locator('#stage')).toHaveCSS('background-image', /gradient/);
  });
});

test('one finger turns the picture, two zoom it', async ({ browser, server }) => {
  const context = await browser.newContext({
    hasTouch: true,
    viewport: { width: 390, height: 500 },
    reducedMotion: 'reduce',
    baseURL: server.url,
  });
  const page = await context.newPage();
  await openFile(page, madeUp);
  const first = await settled(page);
  const session = await context.newCDPSession(page);
  const touch = (type: string, ...points: [number, number][]): Promise<unknown> =>
    session.send('Input.dispatchTouchEvent', {
      type: type as 'touchStart',
      touchPoints: points.map(([x, y], id) => ({ x, y, id })),
    });
  const turned = await changed(page, first, async () => {
    await touch('touchStart', [150, 150]);
    await touch('touchMove', [200, 150]);
    await touch('touchEnd');
  });
  await changed(page, turned, async () => {
    await touch('touchStart', [150, 150], [200, 150]);
    await touch('touchMove', [130, 150], [220, 150]);
    await touch('touchEnd');
  });
  // Nothing lies below the controls, and nothing beside.
  const beyond = await page.evaluate(() => {
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = document.documentElement;
    return [scrollWidth - clientWidth, scrollHeight - clientHeight];
  });
  expect(beyond).toEqual([0, 0]);
  await context.close();
});

test('idle motion is on where motion is welcome, and can be switched off', async ({ page }) => {
  await openFile(page, madeUp);
  const idle = page.getByLabel(/Idle/);
  await expect(idle).toBeChecked();
  await expect(page.locator('#stats')).toContainText('fps', { timeout: 20_000 });
  await idle.uncheck();
  await expect(page.locator('#stats')).toContainText('still', { timeout: 20_000 });
});

test('an avatar of LAM can be dropped in', async ({ page }) => {
  test.skip(lacksData, lacksDataReason);
  await page.goto('/avatar.html');
  const file = readFileSync(resolve(dataFolder, 'avatars/status.zip')).toString('base64');
  const transfer = await page.evaluateHandle(async (data) => {
    const response = await fetch(`data:application/zip;base64,${data}`);
    const made = new DataTransfer();
    made.items.add(new File([await response.blob()], 'status.zip'));
    return made;
  }, file);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: transfer });
  await expect(page.getByText('Drop the file to open it')).toBeVisible();
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await expect(page.getByText('Drop the file to open it')).toBeHidden();
  await expect(page.getByRole('heading', { name: 'status.zip' })).toBeVisible({ timeout: 40_000 });
  await expect(page.locator('#facts')).toContainText('51 expressions · 12 clips');
  await expect(page.locator('#stats')).toContainText('20,018 splats', { timeout: 40_000 });
});
