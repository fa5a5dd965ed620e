import type { Page } from '@playwright/test';
import { softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { expect, test, tinyDetector } from './site.ts';

test.use({
  launchOptions: {
    ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : {}),
    args: [
      ...softwareAdapterFlags,
      ...softwareCanvasFlags,
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
    ],
  },
});

/** Puts a `<vitrail-camera>` with the tiny network into the page; the codes of its errors go to `document.title`. */
async function addCamera(tab: Page): Promise<void> {
  await tab.addScriptTag({ url: '/dist/vitrail.iife.js' });
  await tab.evaluate((src) => {
    const element = document.createElement('vitrail-camera');
    element.setAttribute('src', src);
    element.setAttribute('threshold', '0.0035');
    element.addEventListener('vitrail-error', (event) => {
      const { code, detail } = (event as CustomEvent).detail;
      document.title = `${code} ${detail.reason}`;
    });
    document.body.append(element);
  }, tinyDetector);
}

test('<vitrail-camera> is started and stopped by the keyboard, announces, and says when the camera is gone', async ({
  blank,
}) => {
  await blank.evaluate(() => {
    // The camera's tracks, to be ended as a cable that is pulled ends them.
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await open(wanted);
      Object.assign(globalThis, { cameraStream: stream });
      return stream;
    };
  });
  await addCamera(blank);
  const start = blank.getByRole('button', { name: 'Start camera' });
  const stop = blank.getByRole('button', { name: 'Stop camera' });
  await blank.keyboard.press('Tab');
  await expect(start).toBeFocused();
  await blank.keyboard.press('Enter');
  const list = blank.locator('vitrail-camera [aria-live=polite]');
  await expect(list).toHaveText(/vehicle|Nothing detected/, { timeout: 40_000 });
  await expect(stop).toBeFocused();
  await blank.keyboard.press('Enter');
  await expect(start).toBeFocused();
  const tracks = () =>
    blank.evaluate(() => {
      const { cameraStream } = globalThis as unknown as { cameraStream: MediaStream };
      return cameraStream.getTracks().map(({ readyState }) => readyState);
    });
  expect(await tracks()).toEqual(['ended']);

  await blank.keyboard.press('Enter');
  await expect(stop).toBeVisible();
  await expect(list).toHaveText(/vehicle|Nothing detected/);
  await blank.evaluate(() => {
    const { cameraStream } = globalThis as unknown as { cameraStream: MediaStream };
    for (const track of cameraStream.getTracks()) {
      track.stop();
      // Only a page's own stop() is silent.
      track.dispatchEvent(new Event('ended'));
    }
  });
  await expect(blank.getByRole('alert')).toContainText('no more pictures');
  await expect(blank).toHaveTitle('camera-unavailable ended');
  await expect(start).toBeVisible();
});

test('<vitrail-camera> tells four failures apart, and stays usable', async ({ blank }) => {
  await addCamera(blank);
  const start = blank.getByRole('button', { name: 'Start camera' });
  const reasons = {
    NotAllowedError: 'denied',
    NotFoundError: 'none',
    NotReadableError: 'busy',
  };
  const seen = new Set<string | null>();
  for (const [name, reason] of Object.entries(reasons)) {
    await blank.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', error));
    }, name);
    await start.click();
    await expect(blank).toHaveTitle(`camera-unavailable ${reason}`);
    seen.add(await blank.getByRole('alert').textContent());
  }
  await blank.evaluate(() =>
    Object.defineProperty(globalThis, 'isSecureContext', { value: false }),
  );
  await start.click();
  await expect(blank).toHaveTitle('camera-unavailable insecure');
  seen.add(await blank.getByRole('alert').textContent());
  expect(seen.size).toBe(4);
  await expect(start).toBeEnabled();
});
