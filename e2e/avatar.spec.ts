import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ensureChromium, softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { startDevelopmentServer } from './development-server.ts';
import { expect, lacksData, lacksDataReason, root, test } from './site.ts';

// Without these the software adapter loses the device when it draws on a canvas.
test.use({
  launchOptions: {
    executablePath: ensureChromium(),
    args: [...softwareAdapterFlags, ...softwareCanvasFlags],
  },
});

/** A `.splat` of one large, opaque, red splat at the origin. */
function redSplat(): number[] {
  const file = new Uint8Array(32);
  const view = new DataView(file.buffer);
  for (let axis = 0; axis < 3; axis += 1) view.setFloat32(12 + axis * 4, 0.2, true);
  file.set([255, 0, 0, 255, 255, 128, 128, 128], 24);
  return [...file];
}

test('the avatar page shows the avatar that comes along, with its rig', async ({ page }) => {
  await page.goto('/avatar.html');
  await expect(page.getByRole('heading', { name: 'A person' })).toBeVisible();
  await expect(page.locator('#stats')).toContainText('27,992 splats', { timeout: 40_000 });
  await expect(page.locator('#facts')).toContainText('51 expressions · 4 clips');
  await page.getByLabel('Message').fill('Why is the sky blue?');
  await expect(page.getByRole('button', { name: 'Send' })).toBeVisible();
  await expect(page.locator('#error')).toBeHidden();
});

test('the avatar page shows a scene, and the keyboard turns it', async ({ page }) => {
  await page.goto('/avatar.html');
  await page.getByRole('button', { name: 'Rose window' }).click();
  await expect(page.getByRole('heading', { name: 'Rose window' })).toBeVisible();
  const picture = page.getByRole('img', { name: /Rose window/ });
  await expect(page.locator('#stats')).toContainText('splats', { timeout: 40_000 });
  await picture.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('+');
  await page.keyboard.press('Home');
  await expect(page.locator('#error')).toBeHidden();
});

test('a file that is none is told with what to do', async ({ page }) => {
  await page.goto('/avatar.html');
  await page
    .locator('#file')
    .setInputFiles({ name: 'page.ply', mimeType: '', buffer: Buffer.from('<!doctype html>') });
  await expect(page.getByRole('alert')).toContainText('it is a text, not splats');
  await expect(page.getByRole('alert')).toContainText('Download or export the file again');
});

test('loadAvatar renders stills, straight alpha and over a colour', async ({ blank }) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const seen = await blank.evaluate(async (bytes) => {
    const runtime = await vitrail.createRuntime();
    const avatar = await runtime.loadAvatar(new Blob([new Uint8Array(bytes)]));
    const camera = { position: [0, 0, 3], target: [0, 0, 0], fovY: 40 } as const;
    const pixel = async (options: object): Promise<number[][]> => {
      const { data, width } = await avatar.render({ width: 33, height: 33, camera, ...options });
      return [
        [...data.subarray(0, 4)],
        [...data.subarray((16 * width + 16) * 4, (16 * width + 16) * 4 + 4)],
      ];
    };
    const pictures = {
      clear: await pixel({ method: 'tiles' }),
      quads: await pixel({ method: 'quads' }),
      over: await pixel({ background: [0, 0, 1] }),
    };
    const failure = await avatar.setExpression({ jawOpen: 1 }).catch((error) => error.code);
    const timing = await avatar.measure({ width: 64, height: 64, frames: 2 });
    const { splats } = avatar.info;
    await avatar.dispose();
    const { gpuBytes } = await runtime.stats();
    await runtime.dispose();
    return { pictures, failure, splats, gpuBytes, stages: Object.keys(timing.ms) };
  }, redSplat());
  expect(seen.splats).toBe(1);
  for (const [corner, middle] of [seen.pictures.clear, seen.pictures.quads]) {
    expect(corner).toEqual([0, 0, 0, 0]);
    expect(middle?.slice(0, 3)).toEqual([255, 0, 0]);
    expect(middle?.[3]).toBeGreaterThan(250);
  }
  expect(seen.pictures.over[0]).toEqual([0, 0, 255, 255]);
  expect(seen.failure).toBe('invalid-argument');
  expect(seen.gpuBytes).toBe(0);
  expect(seen.stages).toEqual(expect.arrayContaining(['project', 'sort', 'frame']));
});

test('a body goes through its networks where that is asked for, in stills and live', async ({
  blank,
}) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const archive = [...readFileSync(resolve(root, 'e2e/fixtures/avatars/made-up.zip'))];
  const seen = await blank.evaluate(async (bytes) => {
    const runtime = await vitrail.createRuntime();
    const canvas = document.createElement('canvas');
    canvas.style.cssText = 'display:block;width:64px;height:48px';
    document.body.append(canvas);
    const file = new Blob([new Uint8Array(bytes)]);
    const avatar = await runtime.loadAvatar(file, { body: 'networks' });
    const camera = { position: [0, 0.1, 1.62], target: [0, 0.1, 0], fovY: 20 } as const;
    const { data } = await avatar.render({ width: 48, height: 48, method: 'tiles', camera });
    const view = avatar.attach(canvas, { pixelRatio: 1 });
    const live = await new Promise<string>((resolve) => {
      view.on('stats', () => resolve('frames'));
      view.on('error', ({ message }) => resolve(message));
    });
    view.stop();
    const { body } = avatar.info;
    await runtime.dispose();
    // A pixel of the body.
    return { body, live, alpha: data[(42 * 48 + 24) * 4 + 3] };
  }, archive);
  expect(seen).toEqual({ body: 'networks', live: 'frames', alpha: 255 });
});

test('a view follows the size of its canvas, and stops', async ({ blank }) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const seen = await blank.evaluate(async (bytes) => {
    const runtime = await vitrail.createRuntime();
    const avatar = await runtime.loadAvatar(new Blob([new Uint8Array(bytes)]));
    const canvas = document.createElement('canvas');
    canvas.style.cssText = 'display:block;width:200px;height:100px';
    document.body.append(canvas);
    const view = avatar.attach(canvas, { background: [0, 1, 0], pixelRatio: 1 });
    const failed = new Promise<string>((resolve) => view.on('error', ({ code }) => resolve(code)));
    const stats = () =>
      Promise.race([
        new Promise<string>((resolve) => view.on('stats', ({ method }) => resolve(method))),
        failed,
      ]);
    const methods = [await stats()];
    const before = (await runtime.stats()).buffers;
    canvas.style.width = '320px';
    methods.push(await stats(), await stats());
    view.setCamera({ position: [0, 0, 2], target: [0, 0, 0], fovY: 40 });
    methods.push(await stats());
    const during = (await runtime.stats()).buffers;
    const again = await Promise.resolve()
      .then(() => avatar.attach(canvas))
      .catch(({ code }) => code);
    view.stop();
    const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
    let after = (await runtime.stats()).buffers;
    for (let i = 0; i < 40 && after === during; i += 1) {
      await wait();
      after = (await runtime.stats()).buffers;
    }
    await runtime.dispose();
    return { methods, before, during, after, again };
  }, redSplat());
  for (const method of seen.methods) expect(['quads', 'tiles']).toContain(method);
  expect(seen.during).toBe(seen.before);
  expect(seen.after).toBeLessThan(seen.during);
  expect(seen.again).toBe('invalid-argument');
});

test('on a narrow canvas controls start from the camera that frames the whole', async ({
  blank,
}) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const seen = await blank.evaluate(async (bytes) => {
    const runtime = await vitrail.createRuntime();
    const avatar = await runtime.loadAvatar(new Blob([new Uint8Array(bytes)]));
    const canvas = document.createElement('canvas');
    canvas.style.cssText = 'display:block;width:60px;height:180px';
    document.body.append(canvas);
    const view = avatar.attach(canvas);
    await new Promise((resolve) => view.on('stats', resolve));
    const before = view.camera;
    canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));
    const distance = (camera: typeof avatar.info.camera | null): number =>
      Math.hypot(...(camera?.position ?? []).map((at, i) => at - (camera?.target[i] ?? 0)));
    const ratio = distance(view.camera) / distance(avatar.info.camera);
    await runtime.dispose();
    return { before, ratio };
  }, redSplat());
  expect(seen.before).toBeNull();
  // A third as wide as high: the angle across is atan(tan 15° / 3).
  const half = Math.tan(Math.PI / 12);
  expect(seen.ratio).toBeCloseTo(Math.sin(Math.atan(half)) / Math.sin(Math.atan(half / 3)), 3);
});

test('a missing part says where it has to be', async ({ blank }) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const error = await blank.evaluate(async (bytes) => {
    const runtime = await vitrail.createRuntime({ splatsUrl: '/nowhere/vitrail.splats.js' });
    const failure = await runtime
      .loadAvatar(new Blob([new Uint8Array(bytes)]))
      .catch(({ code, fix }) => ({ code, fix }));
    await runtime.dispose();
    return failure;
  }, redSplat());
  expect(error).toMatchObject({ code: 'network', fix: /vitrail\.splats\.js/ });
});

test('<vitrail-avatar> loads, shows and tells', async ({ blank }) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const info = await blank.evaluate(async (bytes) => {
    const element = document.createElement('vitrail-avatar');
    const ready = new Promise<{ splats: number }>((resolve) =>
      element.addEventListener('vitrail-ready', (event) => resolve((event as CustomEvent).detail)),
    );
    element.setAttribute('src', URL.createObjectURL(new Blob([new Uint8Array(bytes)])));
    element.setAttribute('label', 'A red ball');
    document.body.append(element);
    return ready;
  }, redSplat());
  expect(info.splats).toBe(1);
  await expect(blank.getByRole('img', { name: 'A red ball' })).toBeVisible();
});

test('useAvatar loads one avatar in one worker, in StrictMode too', async ({ page }) => {
  // Only React's development build mounts twice: the development server has it.
  const server = await startDevelopmentServer(5311);
  try {
    let workers = 0;
    page.on('worker', () => {
      workers += 1;
    });
    const file = Buffer.from(redSplat()).toString('base64');
    const source = encodeURIComponent(`data:application/octet-stream;base64,${file}`);
    await page.goto(`${server.resolvedUrls?.local[0]}react/?avatar=${source}`);
    await expect(page.getByText('1 splats are ready')).toBeVisible();
    await expect(page.getByRole('img')).toHaveCount(1);
    expect(workers).toBe(1);
  } finally {
    await server.close();
  }
});

test.describe('a rigged avatar', () => {
  test.skip(lacksData, lacksDataReason);

  test('changes its face by expressions, joints, clips and tracks', async ({ blank }) => {
    await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
    const seen = await blank.evaluate(async () => {
      const runtime = await vitrail.createRuntime();
      const avatar = await runtime.loadAvatar('/data/avatars/status.zip');
      const still = async (): Promise<Uint8ClampedArray> =>
        (await avatar.render({ width: 96, height: 96, background: [1, 1, 1] })).data;
      const difference = (a: Uint8ClampedArray, b: Uint8ClampedArray): number =>
        a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
      const rest = await still();
      const again = await still();
      await avatar.setExpression({ jawOpen: 0.8 });
      const open = await still();
      await avatar.setExpression({ jawOpen: 0 });
      await avatar.setJoint('head', [0, Math.sin(0.2), 0, Math.cos(0.2)]);
      const turned = await still();
      await avatar.setJoint('head', [0, 0, 0, 1]);
      const track = { names: ['mouthPucker'], frames: [{ weights: [1] }] };
      await avatar.play(track, { loop: true });
      const played = await still();
      await avatar.play(null);
      const ended = await still();
      await avatar.say('aaaaaaaaaaaa');
      await avatar.setState('thinking');
      const silent = await still();
      await new Promise((resolve) => setTimeout(resolve, 500));
      const spoken = await still();
      const { info } = avatar;
      await runtime.dispose();
      return {
        info,
        again: difference(rest, again),
        open: difference(rest, open),
        turned: difference(rest, turned),
        played: difference(rest, played),
        ended: difference(rest, ended),
        silent: difference(rest, silent),
        spoken: difference(rest, spoken),
      };
    });
    expect(seen.info.expressions).toHaveLength(51);
    expect(seen.info.joints).toContain('head');
    expect(seen.info.clips).toHaveLength(12);
    expect([seen.again, seen.ended, seen.silent]).toEqual([0, 0, 0]);
    for (const moved of [seen.open, seen.turned, seen.played, seen.spoken])
      expect(moved).toBeGreaterThan(0.2);
  });
});
