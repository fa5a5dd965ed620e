/**
 * `npm run bench:splat-peers -- [--gpu] [--dist DIR] [--scene FILE] [--size 1024] [--frames 200] [--rounds 3]
 * [--synthetic 1000000,5000000]`: Vitrail and Spark in one page, with the same splats and the same camera, which moves in each frame.
 * Wall-clock frames a second of GPU work: many queued, then waited for (`onSubmittedWorkDone`; `finish` and a pixel read). Rounds are
 * interleaved, the first warms up. Prints a JSON line a scene, [median, least, most].
 *
 * The scene is a compressed PLY: Spark 2.2 does not read SPZ 4.
 *
 * Vitrail sorts each frame on the GPU. Spark sorts on the CPU in a worker while older orders are drawn, so it is timed in three ways:
 * `free` as on a page (its `sorts` are counted), `unsorted` is drawing alone, `sorted` waits for each frame's own order.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from '../../scripts/browser.mjs';
import { startServer } from '../../scripts/static-server.mjs';
import { provenance } from '../history.mjs';
import { filesOfPack } from '../pack.mjs';
import { spread } from '../statistics.mjs';

const root = resolve(import.meta.dirname, '../..');
const { values: options } = parseArgs({
  options: {
    gpu: { type: 'boolean', default: false },
    dist: { type: 'string' },
    scene: { type: 'string', default: resolve(root, '../shared/data/splats/biker.compressed.ply') },
    size: { type: 'string', default: '1024' },
    frames: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
    synthetic: { type: 'string', default: '1000000,5000000' },
  },
});
const server = await startServer({
  roots: {
    '/scene': resolve(options.scene),
    '/bench/': resolve(root, 'bench/peers'),
    ...(options.dist ? { '/dist/': resolve(root, options.dist) } : {}),
    ...filesOfPack(),
  },
});
const counts = options.synthetic.split(',').filter(Boolean).map(Number);
const scenes = [
  ...(existsSync(options.scene) ? [{ name: basename(options.scene), url: '/scene' }] : []),
  ...counts.map((count) => ({ name: `synthetic-${count}.splat`, count })),
];
const browser = await launchBrowser({ gpu: options.gpu });
try {
  for (const scene of scenes) await benchScene(scene);
} finally {
  await browser.close();
  await server.close();
}

async function benchScene(scene) {
  const page = await browser.newPage();
  try {
    page.setDefaultTimeout(0);
    await page.exposeFunction('report', (line) => console.error(`${scene.name}: ${line}`));
    page.on('pageerror', (error) => console.error(error.message));
    await page.goto(`${server.url}/bench/splats.html`);
    const results = await page.evaluate(measure, {
      scene,
      size: Number(options.size),
      frames: Number(options.frames),
      rounds: Number(options.rounds),
    });
    const { samples, ...rest } = results;
    const perSecond = Object.fromEntries(
      Object.entries(samples).map(([way, list]) => [way, spread(list.map((s) => s.perSecond))]),
    );
    const sorts = Object.fromEntries(
      Object.entries(samples).map(([way, list]) => [way, spread(list.map((s) => s.sorts))]),
    );
    const line = { ...provenance(), kind: 'splat-peers', browser: browser.version(), ...rest };
    console.log(JSON.stringify({ ...line, perSecond, sorts, ratio: ratios(perSecond) }));
  } catch (error) {
    console.log(JSON.stringify({ kind: 'splat-peers', scene: scene.name, error: error.message }));
  } finally {
    await page.close();
  }
}

/** The faster of Vitrail's ways, which it finds at start, to each of Spark's. */
function ratios(perSecond) {
  const ours = Math.max(perSecond['vitrail tiles'][0], perSecond['vitrail quads'][0]);
  return Object.fromEntries(
    ['free', 'unsorted', 'sorted'].map((way) => [
      way,
      Number((ours / perSecond[`spark ${way}`][0]).toPrecision(3)),
    ]),
  );
}

/** Runs in the page. */
async function measure({ scene, size, frames, rounds }) {
  while (!window.engines) await new Promise((done) => setTimeout(done, 20));
  const bytes = await window.bytesOf(scene);
  const ours = await window.engines.vitrail(bytes, { size });
  await window.report('opened by Vitrail');
  const { camera } = ours;
  const theirs = await window.engines.spark(bytes, { size, camera, fileName: scene.name });
  await window.report(`opened by Spark: ${JSON.stringify(theirs.info)}`);
  const psnr = decibels(await ours.picture(), await theirs.picture());
  const ways = [
    ['vitrail tiles', (count) => ours.run('tiles', count)],
    ['vitrail quads', (count) => ours.run('quads', count)],
    ['spark free', (count) => theirs.run('free', count)],
    ['spark unsorted', (count) => theirs.run('unsorted', count)],
    // A tenth of the frames: each waits for the CPU.
    ['spark sorted', (count) => theirs.run('sorted', Math.ceil(count / 10))],
  ];
  const samples = {};
  const passes = {};
  for (let round = -1; round < rounds; round += 1) {
    for (const [way, run] of ways) {
      const { ms, ...sample } = await run(round < 0 ? Math.min(frames, 10) : frames);
      await window.report(`round ${round + 1}, ${way}: ${sample.perSecond.toFixed(1)}/s`);
      if (round < 0) continue;
      samples[way] ??= [];
      samples[way].push(sample);
      if (ms) passes[way] = ms;
    }
  }
  const info = { vitrail: ours.info, spark: theirs.info };
  await theirs.dispose();
  await ours.dispose();
  return { scene: scene.name, size, frames, ...info, psnr, passes, samples };

  /** PSNR over R, G and B, and the mean of each picture: neither is empty. */
  function decibels(a, b) {
    let [error, sumA, sumB] = [0, 0, 0];
    for (let i = 0; i < a.length; i += 1) {
      if (i % 4 === 3) continue;
      error += (a[i] - b[i]) ** 2;
      sumA += a[i];
      sumB += b[i];
    }
    const values = (a.length / 4) * 3;
    const round = (value) => Number(value.toPrecision(4));
    return {
      dB: round(10 * Math.log10(255 ** 2 / (error / values))),
      means: [round(sumA / values), round(sumB / values)],
    };
  }
}
