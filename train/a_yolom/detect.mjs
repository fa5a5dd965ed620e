/**
 * What the library itself finds, for `evaluate.py --found`: `node train/a_yolom/detect.mjs --pictures FOLDER --out found.json
 * [--model FILE] [--gpu] [--dist DIR]`. Runs the built library in Chromium over every picture of a folder, on the software adapter a second
 * each, and writes boxes and the bits of the masks by the name of the picture.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { parse, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from '../../scripts/browser.mjs';
import { startServer } from '../../scripts/static-server.mjs';

const root = resolve(import.meta.dirname, '../..');
const { values: options } = parseArgs({
  options: {
    pictures: { type: 'string' },
    out: { type: 'string' },
    model: { type: 'string', default: resolve(root, 'models/a-yolom-n.safetensors') },
    gpu: { type: 'boolean', default: false },
    dist: { type: 'string', default: 'dist' },
  },
});
/** The least score, as in `evaluate.py`: the curve of precision and recall needs the doubtful boxes too. */
const threshold = 0.005;
const isPicture = (name) => /\.(png|jpg)$/.test(name);
const names = readdirSync(options.pictures).filter(isPicture).sort();

const server = await startServer({
  roots: {
    '/page.html': resolve(root, 'scripts/ask.html'),
    '/weights': resolve(options.model),
    '/pictures': resolve(options.pictures),
    '/': resolve(root, options.dist),
  },
});
const browser = await launchBrowser({ gpu: options.gpu });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(`${server.url}/page.html`);
  const adapter = await page.evaluate(openDetector);
  const found = {};
  for (const [i, name] of names.entries()) {
    found[parse(name).name] = await page.evaluate(find, { path: `/pictures/${name}`, threshold });
    if (i % 20 === 19) console.error(`${i + 1} of ${names.length}`);
  }
  writeFileSync(options.out, JSON.stringify({ adapter, threshold, found }));
} finally {
  await browser.close();
  await server.close();
}

/** Runs in the page. */
async function openDetector() {
  const runtime = await window.vitrail.createRuntime();
  window.detector = await runtime.loadDetector(`${location.origin}/weights`);
  return runtime.info.adapter;
}

/** Runs in the page: boxes as corners and score, masks as bits, a byte's lowest first, in base64. */
async function find({ path, threshold }) {
  const picture = await (await fetch(path)).blob();
  const { boxes, drivable, lanes } = await window.detector.detect(picture, { threshold });
  const bitsOf = ({ data }) => {
    const bytes = new Uint8Array(Math.ceil(data.length / 8));
    data.forEach((bit, i) => {
      bytes[i >> 3] |= bit << (i & 7);
    });
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  };
  return {
    boxes: boxes.map(({ x, y, width, height, score }) => [x, y, x + width, y + height, score]),
    drivable: bitsOf(drivable),
    lanes: bitsOf(lanes),
  };
}
