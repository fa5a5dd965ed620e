/**
 * GPU time of splat frames, through the public API: `npm run bench:splats -- [--gpu] [--avatar ZIP] [--scene SPZ] [--size 1024] [--body networks]
 * [--frames 60] [--synthetic 1000000,5000000]`. Each pass apart by timestamp queries, medians; both ways of drawing. The sort of a
 * million keys is the `sort` pass of the synthetic scene of that size. Prints a JSON line a scene and method. The names of passes: project,
 * sort, then quads, or bin and raster; `frame` from the first to the last; `encode` is CPU time a frame, behind twice as many that
 * the browser interpreted in part, `queued` the wall-clock time a frame where many are queued.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { syntheticSplats } from '../bench/peers/synthetic-splats.mjs';
import { launchBrowser } from './browser.mjs';
import { startServer } from './static-server.mjs';

const root = resolve(import.meta.dirname, '..');
const data = resolve(root, '../shared/data');
const { values: options } = parseArgs({
  options: {
    gpu: { type: 'boolean', default: false },
    dist: { type: 'string', default: 'dist' },
    avatar: { type: 'string', default: resolve(data, 'avatars/status.zip') },
    scene: { type: 'string', default: resolve(data, 'splats/biker.spz') },
    size: { type: 'string', default: '1024' },
    frames: { type: 'string', default: '60' },
    body: { type: 'string', default: 'texture' },
    synthetic: { type: 'string', default: '1000000,5000000' },
  },
});
const files = { '/avatar': options.avatar, '/scene': options.scene };
const found = Object.entries(files).filter(([, path]) => existsSync(path));
const server = await startServer({
  roots: {
    ...Object.fromEntries(found.map(([url, path]) => [url, resolve(path)])),
    '/page.html': resolve(root, 'scripts/ask.html'),
    '/': resolve(root, options.dist),
  },
});
const scenes = [
  ...found.map(([url, path]) => ({ name: path.split('/').at(-1), url: `${server.url}${url}` })),
  ...found
    .filter(([url]) => url === '/avatar')
    .flatMap(([url]) => [
      { name: '20 avatars', url: `${server.url}${url}`, copies: 20 },
      { name: '20 avatars, own poses', url: `${server.url}${url}`, avatars: 20 },
    ]),
  ...options.synthetic
    .split(',')
    .filter(Boolean)
    .map((count) => ({ name: `synthetic ${count}`, count: Number(count) })),
];
const browser = await launchBrowser({ gpu: options.gpu });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(`${server.url}/page.html`);
  await page.addScriptTag({ content: `window.syntheticSplats = ${syntheticSplats}` });
  for (const scene of scenes) {
    const settings = {
      scene,
      body: options.body,
      size: Number(options.size),
      frames: Number(options.frames),
    };
    for (const line of await page.evaluate(measure, settings)) {
      console.log(JSON.stringify({ browser: browser.version(), size: options.size, ...line }));
    }
  }
} finally {
  await browser.close();
  await server.close();
}

/** Runs in the page. */
async function measure({ scene, body, size, frames }) {
  const runtime = await window.vitrail.createRuntime();
  const { adapter, tier } = runtime.info;
  const began = performance.now();
  const avatars = [];
  for (let i = 0; i < (scene.avatars ?? 1); i += 1) {
    avatars.push(
      await runtime.loadAvatar(scene.url ?? new Blob([window.syntheticSplats(scene.count)]), {
        body,
      }),
    );
  }
  const loadMs = Math.round(performance.now() - began);
  // An avatar moves in each frame, as it does on a page.
  for (const [i, avatar] of avatars.entries()) {
    const { expressions, clips } = avatar.info;
    if (expressions.length === 0) continue;
    await avatar.setIdle(true);
    if (clips.length > 0) await avatar.play(clips[i % clips.length], { loop: true });
  }
  // In rows of five, half a metre apart.
  const drawn = runtime.createScene(
    avatars.map((avatar, i) => ({
      avatar,
      position: [((i % 5) - (Math.min(5, avatars.length) - 1) / 2) / 2, 0, -Math.floor(i / 5) / 2],
    })),
  );
  const lines = [];
  for (const method of ['quads', 'tiles']) {
    try {
      const timing = await drawn.measure({
        width: size,
        height: size,
        frames,
        method,
        copies: scene.copies ?? 1,
      });
      const ms = Object.fromEntries(
        Object.entries(timing.ms).map(([name, value]) => [name, Math.round(value * 1e4) / 1e4]),
      );
      const perSecond = Math.round(1000 / (timing.ms.frame ?? timing.ms.queued));
      lines.push({
        scene: scene.name,
        splats: timing.splats,
        body: avatars[0].info.body,
        method: timing.method,
        dropped: timing.dropped,
        ms,
        perSecond,
        adapter,
        tier,
        loadMs,
      });
    } catch (error) {
      lines.push({ scene: scene.name, method, error: error.message });
    }
  }
  await runtime.dispose();
  return lines;
}
