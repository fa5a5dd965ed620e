import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { chromium, type Page } from '@playwright/test';
import { ensureChromium, softwareAdapterFlags } from '../scripts/chromium.mjs';
import { expect, root, test } from './site.ts';

interface Expected {
  width: number;
  height: number;
  boxes: [x: number, y: number, width: number, height: number, score: number][];
  drivable: number[];
  lanes: number[];
}

const expected: Expected = JSON.parse(
  readFileSync(resolve(root, 'e2e/fixtures/vision/sample-road.json'), 'utf8'),
);

test('the embedded detector finds in the sample what PyTorch finds', async ({ blank }) => {
  test.setTimeout(90_000);
  const { boxes, agreement } = await blank.evaluate(async ({ drivable, lanes }) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector();
    const detection = await detector.detect(await (await fetch('/sample-road.jpg')).blob());
    await runtime.dispose();
    /** Share of the pixels that a mask and the runs of the answer agree on. */
    const share = (mask: { data: Uint8Array }, runs: number[]) => {
      let at = 0;
      let same = 0;
      runs.forEach((length, i) => {
        for (const end = at + length; at < end; at += 1) {
          if ((mask.data[at] ?? 0) > 0 === (i % 2 === 1)) same += 1;
        }
      });
      return same / mask.data.length;
    };
    return {
      boxes: detection.boxes,
      agreement: [share(detection.drivable, drivable), share(detection.lanes, lanes)],
    };
  }, expected);
  expect(boxes).toHaveLength(expected.boxes.length);
  boxes.forEach((box, i) => {
    const [x, y, width, height, score] = expected.boxes[i] ?? [0, 0, 0, 0, 0];
    expect(Math.abs(box.score - score)).toBeLessThan(0.01);
    const differences = [box.x - x, box.y - y, box.width - width, box.height - height];
    for (const difference of differences) expect(Math.abs(difference)).toBeLessThan(0.5);
  });
  for (const share of agreement) expect(share).toBeGreaterThan(0.995);
});

test('the page shows the sample, says what it sees, and takes other thresholds', async ({
  page,
}) => {
  test.setTimeout(90_000);
  await page.goto('/camera.html');
  await page.getByRole('button', { name: 'Show a sample' }).click();
  const seen = page.locator('#seen');
  await expect(seen).toContainText('vehicle', { timeout: 40_000 });
  await expect(page.locator('#boxes li')).toHaveCount(expected.boxes.length);
  await expect(page.getByRole('button', { name: 'Save picture' })).toBeEnabled();
  const best = expected.boxes[0]?.[4] ?? 0;
  await page.getByLabel('Score at least').fill(String(Math.ceil(best * 20) / 20));
  await expect(seen).toContainText('no vehicles', { timeout: 40_000 });
});

test('no camera, and no permission, are told apart', async ({ page }) => {
  await page.goto('/camera.html');
  const error = page.getByRole('alert');
  for (const [name, text] of [
    ['NotFoundError', 'There is no camera.'],
    ['NotAllowedError', 'The camera was not allowed.'],
    ['NotReadableError', 'in use by another program'],
  ]) {
    await page.evaluate((failure) => {
      navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new DOMException('refused', failure));
    }, name);
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    await expect(error).toContainText(text as string);
  }
});

const drive = resolve(root, '../shared/data/driving/drive.mjpeg');

test('a camera is watched until it is stopped', async ({ site }) => {
  test.skip(!existsSync(drive), `needs ${drive}`);
  test.setTimeout(120_000);
  const browser = await chromium.launch({
    executablePath: ensureChromium(),
    args: [
      ...softwareAdapterFlags,
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${drive}`,
    ],
  });
  try {
    const page: Page = await browser.newPage();
    await page.goto(`${site.url}/camera.html`);
    await page.getByRole('button', { name: 'Start the camera' }).click();
    await expect(page.locator('#seen')).toContainText('drivable', { timeout: 60_000 });
    // A dashcam's picture: much of it is road.
    const share = /(\d+) %/.exec((await page.locator('#seen').textContent()) ?? '')?.[1];
    expect(Number(share)).toBeGreaterThan(10);
    await page.getByRole('button', { name: 'Stop' }).click();
    await expect(page.getByRole('button', { name: 'Start the camera' })).toBeVisible();
    expect(await page.evaluate(() => document.querySelector('video')?.srcObject)).toBeNull();
  } finally {
    await browser.close();
  }
});
