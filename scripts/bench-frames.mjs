/**
 * Frames a second of the detector, end to end: `npm run bench:frames -- [--gpu] [--peers] [--dist DIR] [--size n,s] [--frames 300]
 * [--rounds 5] [--source i420,video,bitmap] [--way import,copy] [--frame 1280x720] [--image JPG] [--flags="--enable-features=X"]`.
 * Sources: VideoFrames in memory as a software decoder or a camera leaves them (`i420`, `nv12`), of a 2D canvas (`video`) or of one that
 * WebGL drew (`canvas`: on the GPU, as a hardware decoder's frames are), or ImageBitmaps. `--way`: how frames come to the GPU; left out, as
 * the library chooses. `--flags` are more of Chromium's. A frame goes the way it goes on a page: over the port to the
 * worker, letterbox, network, boxes and masks, overlay on a canvas, a small readback. Prints a JSON line a result: frames a second
 * (median, lowest and highest of the rounds), latency of a frame alone, the GPU's time by parts, CPU times and what a frame
 * makes. `cpuMs` is the worker's script from the frame to its submit and from its readback to the answer; `threadMs` is all that the worker's
 * thread and the GPU process's main thread ran. n has the weights that ship, s random ones. In rounds between: our network alone, its input and outputs on the GPU
 * (`networkAlone`), and with --peers onnxruntime-web's WebGPU on the same weights, which is timed in the same way and no other; `times` is
 * our whole way over its network, `timesAlone` network over network. A line that says `partial` comes after each round, for runs that are
 * cut. Needs `bench:pack --frames`.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { framesPack, networkScript, shapesOf } from '../bench/frames/pack-frames.mjs';
import { gpuThreadMs, workerThreadMs } from '../bench/frames/thread-time.mjs';
import { watchWorker } from '../bench/frames/watch-worker.mjs';
import { provenance } from '../bench/history.mjs';
import { spread } from '../bench/statistics.mjs';
import { launchBrowser } from './browser.mjs';
import { startServer } from './static-server.mjs';

const root = resolve(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    gpu: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    dist: { type: 'string' },
    size: { type: 'string', default: 'n' },
    frames: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '5' },
    source: { type: 'string', default: 'i420,video,bitmap' },
    way: { type: 'string', default: '' },
    frame: { type: 'string', default: '1280x720' },
    flags: { type: 'string', default: '' },
    image: { type: 'string', default: resolve(root, 'e2e/fixtures/vision/sample-road.jpg') },
  },
});
const packed = resolve(root, framesPack);
const dist = options.dist ?? (existsSync(resolve(packed, 'dist')) ? `${framesPack}/dist` : 'dist');
const [width, height] = options.frame.split('x').map(Number);
const count = Number(options.frames);
const rounds = Number(options.rounds);

const server = await startServer({
  roots: {
    '/page.html': resolve(root, 'bench/frames/page.html'),
    '/network.js': await networkScript(),
    '/image.jpg': resolve(options.image),
    '/weights': resolve(root, 'models/a-yolom-n.safetensors'),
    '/bench/': resolve(root, 'bench/frames'),
    '/peers/': resolve(packed, 'peers'),
    '/onnx/': packed,
    '/': resolve(root, dist),
  },
});
const browser = await launchBrowser({ gpu: options.gpu, canvas: true, flags: options.flags });
try {
  for (const size of options.size.split(',')) {
    for (const source of options.source.split(',')) {
      for (const way of options.way.split(',')) await benchSize(size, source, way);
    }
  }
} finally {
  await browser.close();
  await server.close();
}

async function benchSize(size, source, way) {
  const page = await browser.newPage();
  try {
    page.setDefaultTimeout(0);
    const failures = [];
    page.on('pageerror', (error) => failures.push(error.message));
    await page.exposeFunction('watchNewWorker', () => page.workers().at(-1).evaluate(watchWorker));
    await page.goto(`${server.url}/page.html`);
    await page.waitForFunction(() => window.frameEngines);
    const shapes = size === 'n' ? null : await shapesOf(size);
    const frameSize = { width, height };
    await page.evaluate(
      async (settings) => {
        window.ours = await window.frameEngines.vitrail(settings);
        window.network = await window.frameEngines.networkAlone(settings);
      },
      { weights: '/weights', shapes, image: '/image.jpg', source, way, frameSize },
    );
    const peers = options.peers && size === 'n' ? await openPeers(page) : [];
    const about = {
      size,
      source,
      flags: options.flags,
      frame: options.frame,
      input: '672x384',
      random: size !== 'n',
    };
    const origin = { ...provenance(), kind: 'frames', browser: browser.version() };
    const tell = (line) => console.log(JSON.stringify({ ...origin, ...about, ...line }));
    tell(await measured(page, page.workers().at(-1), peers, tell));
    for (const message of failures) console.error(`page: ${message}`);
  } finally {
    await page.close();
  }
}

/** Names of the engines that opened: 16 and 32 bits. */
async function openPeers(page) {
  const opened = [];
  for (const half of [true, false]) {
    const model = `/onnx/a-yolom-n${half ? '-f16' : ''}.onnx`;
    const name = `onnxruntime ${half ? 'f16' : 'f32'}`;
    const error = await page.evaluate(
      async ([name, settings]) => {
        try {
          window.peers ??= {};
          window.peers[name] = await window.frameEngines.onnxruntime(settings);
          return null;
        } catch (thrown) {
          return String(thrown?.message ?? thrown);
        }
      },
      [name, { model, half }],
    );
    if (error) console.error(`${name} failed: ${error.slice(0, 300)}`);
    else opened.push(name);
  }
  return opened;
}

async function measured(page, worker, peers, tell) {
  const engines = ['ours', 'network', ...peers];
  const samples = Object.fromEntries(engines.map((name) => [name, { one: [], many: [] }]));
  let soFar = {};
  // The first round only warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of engines) {
      const given = { name, count: round === 0 ? Math.min(count, 50) : count };
      const { one, many } = await page.evaluate(sample, given);
      if (round === 0) continue;
      samples[name].many.push(many);
      samples[name].one.push(...one);
      console.error(`  round ${round}, ${name}: ${((1000 * count) / many).toFixed(1)} frames/s`);
    }
    if (round === 0) continue;
    const way = await page.evaluate(() => window.ours.way());
    soFar = { way, ...speeds(samples, peers) };
    tell({ partial: `${round} of ${rounds}`, ...soFar });
  }
  await worker.evaluate(() => self.frameWatch.reset(false));
  const before = await page.evaluate(() => window.ours.info());
  const [workerBefore, gpuBefore] = [workerThreadMs(), gpuThreadMs()];
  const watched = await page.evaluate((count) => window.ours.many(count), count);
  await page.evaluate(() => window.ours.settle());
  const [workerAfter, gpuAfter] = [workerThreadMs(), gpuThreadMs()];
  const after = await page.evaluate(() => window.ours.info());
  const { made, cpu } = await worker.evaluate(() => self.frameWatch.seen());
  await worker.evaluate(() => self.frameWatch.reset(true));
  await page.evaluate((count) => window.ours.many(count), Math.min(count, 300));
  await page.evaluate(() => window.ours.settle());
  const times = await worker.evaluate(() => self.frameWatch.times());
  const masksAgree = peers.length > 0 ? await page.evaluate(agreementOf, peers) : undefined;
  const { gpuBytes, ...adapter } = after;
  const { frames } = cpu;
  const aFrame = (value) => Number((value / frames).toPrecision(4));
  return {
    ...adapter,
    ...soFar,
    gpuMs: times ? { ...medians(times.whole), parts: medians(times.parts) } : null,
    cpuMs: Number(((cpu.ms + cpu.readMs) / Math.max(1, cpu.whole)).toPrecision(3)),
    threadMs: workerAfter
      ? { worker: aFrame(workerAfter - workerBefore), gpuProcess: aFrame(gpuAfter - gpuBefore) }
      : null,
    watchedPerSecond: Math.round((1000 * count) / watched),
    bytesGrown: gpuBytes - before.gpuBytes,
    gpuBytes,
    madeAFrame: Object.fromEntries(
      Object.entries(made).map(([name, value]) => [name, aFrame(value)]),
    ),
    masksAgree,
  };
}

/** What the rounds so far say of all engines. */
function speeds(samples, peers) {
  const about = ({ one, many }) => ({ perSecond: perSecond(many), latencyMs: spread(one) });
  const [ours, network] = [about(samples.ours), about(samples.network)];
  const compared = peers.map((name) => {
    const peer = about(samples[name]);
    const over = ({ perSecond: [median] }) => Number((median / peer.perSecond[0]).toPrecision(3));
    return [name, { ...peer, times: over(ours), timesAlone: over(network) }];
  });
  return {
    ...ours,
    networkAlone: network,
    ...(peers.length > 0 ? { peers: Object.fromEntries(compared) } : {}),
  };
}

/** Median, lowest and highest of frames a second. */
function perSecond(rounds) {
  return spread(rounds.map((ms) => (1000 * count) / ms));
}

function medians(times) {
  const parts = Object.keys(times[0] ?? {});
  return Object.fromEntries(parts.map((part) => [part, spread(times.map((t) => t[part]))[0]]));
}

/** Runs in the page: milliseconds of many frames, and of some alone. */
async function sample({ name, count }) {
  const engine = window[name] ?? window.peers[name];
  const many = await engine.many(count);
  await window.ours.settle();
  const one = [];
  for (let i = 0; i < Math.min(count, 20); i += 1) one.push(await engine.one());
  return { many, one };
}

/** Runs in the page: the share of mask pixels that agree with ours, on a picture of the network's own size. */
async function agreementOf(peers) {
  const canvas = new OffscreenCanvas(672, 384);
  const context = canvas.getContext('2d');
  const image = new Image();
  image.src = '/image.jpg';
  await image.decode();
  context.drawImage(image, 0, 0, 672, 384);
  const pixels = context.getImageData(0, 0, 672, 384).data;
  const { drivable, lanes } = await window.ours.detect(canvas);
  const shares = {};
  for (const name of peers) {
    const masks = await window.peers[name].masks(pixels);
    shares[name] = [drivable, lanes].map(({ data }, mask) => {
      const agreed = data.reduce((sum, bit, i) => sum + (bit === masks[mask][i] ? 1 : 0), 0);
      return Number((agreed / data.length).toPrecision(6));
    });
  }
  return shares;
}
