import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { dataFolder, expect, root, test, tinyDetector } from './site.ts';

const clip = resolve(dataFolder, 'driving/drive.mjpeg');
const page = `/camera.html?src=${tinyDetector}`;

test.use({
  launchOptions: {
    ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : {}),
    args: [
      ...softwareAdapterFlags,
      ...softwareCanvasFlags,
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      ...(existsSync(clip) ? [`--use-file-for-fake-video-capture=${clip}`] : []),
    ],
  },
});

test('the camera starts after a click, and its frames are answered', async ({ page: tab }) => {
  await tab.goto(page);
  await expect(tab.locator('#slot video')).toHaveCount(0);
  await tab.getByRole('button', { name: 'Use the camera' }).click();
  await expect(tab.locator('#fps')).not.toHaveText('–', { timeout: 40_000 });
  await expect(tab.locator('#gpu')).toContainText('tier');
  await expect(tab.locator('#announcer')).not.toHaveText('Nothing yet');
  await tab.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(tab.getByRole('button', { name: 'Use the camera' })).toBeVisible();
});

const refusals = {
  NotAllowedError: 'not allowed',
  NotFoundError: 'no camera',
  NotReadableError: 'in use',
};
for (const [name, words] of Object.entries(refusals)) {
  test(`${name} is told as what it is`, async ({ page: tab }) => {
    await tab.addInitScript((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', error));
    }, name);
    await tab.goto(page);
    await tab.getByRole('button', { name: 'Use the camera' }).click();
    await expect(tab.getByRole('alert')).toContainText(words);
  });
}

test('a page that is not secure is told so', async ({ page: tab }) => {
  await tab.addInitScript(() => Object.defineProperty(window, 'isSecureContext', { value: false }));
  await tab.goto(page);
  await tab.getByRole('button', { name: 'Use the camera' }).click();
  await expect(tab.getByRole('alert')).toContainText('https');
});

test('weights of the visitor’s own are loaded; what are none change nothing', async ({
  page: tab,
}) => {
  await tab.goto('/camera.html');
  const weights = tab.locator('#weights');
  const picker = tab.getByLabel('Load a detector’s weights');
  await picker.setInputFiles(resolve(root, `e2e/fixtures${tinyDetector}`));
  await expect(weights).toHaveText(/^A-YOLOM, 0\.\d million weights$/, { timeout: 40_000 });
  const own = await weights.textContent();
  const none = { name: 'none.safetensors', mimeType: '', buffer: Buffer.from('no weights') };
  await picker.setInputFiles(none);
  await expect(tab.getByRole('alert')).toContainText('safetensors');
  await expect(weights).toHaveText(own ?? '');
  await tab.getByRole('button', { name: 'Play a sample' }).click();
  await expect(tab.getByRole('alert')).toBeHidden();
  await expect(tab.locator('#fps')).not.toHaveText('–', { timeout: 40_000 });
});
