/**
 * Kernels on this machine's adapter: `npm run bench:kernels -- [--gpu] [--check] [--time TITLE,TITLE] [--variants NAME,NAME] [--tier A]`.
 * --check runs every case of every kernel on every variant against the references, --filter those alone whose KERNEL/VARIANT contains it;
 * --time times kernels at the sizes of real models, a prefill pass having --tokens, --variants also those of these names that would not be
 * chosen (`--variants ''`: all); --decoder times whole decoders of these shapes on random weights (--profile: by kernel; SHAPE:50 with caches of
 * MatryoshkaKV at 50 %, SHAPE:q8_0 and SHAPE:q4_0 with a cache of that format), --frame n,s the network of a frame of the detector of these
 * sizes (--time 'vision n' its layers).
 * --attention times the attention of these shapes at --positions in --modes (dense; TokenSelect with a selection that is kept or made anew;
 * heads, norms: half of them, as Mixture-of-Head has it with either router; narrow: half of every key and value, as MatryoshkaKV has it,
 * narrow-kept and narrow-anew with TokenSelect): µs of a step as it runs, and by the GPU's clock of a whole step, of its kernels of attention
 * alone, of all others, and of the former with nothing to attend to. A line a position, as it comes.
 * `--flags` are more of Chromium's; `--bundle FILE` takes a page script made before (`--build FILE` makes it), for hosts without the build
 * tools.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from './browser.mjs';
import { startServer } from './static-server.mjs';

const { values: options } = parseArgs({
  options: {
    gpu: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    filter: { type: 'string', default: '' },
    time: { type: 'string' },
    decoder: { type: 'string' },
    profile: { type: 'boolean', default: false },
    frame: { type: 'string' },
    attention: { type: 'string' },
    positions: { type: 'string', default: '4096,131072' },
    modes: { type: 'string', default: 'dense,kept,anew' },
    variants: { type: 'string' },
    tokens: { type: 'string', default: '1024' },
    tier: { type: 'string', default: 'A' },
    bundle: { type: 'string' },
    build: { type: 'string' },
    flags: { type: 'string', default: '' },
  },
});

const bundle = await pageScript();
const isAsked = options.check || options.decoder || options.frame || options.attention;
if (isAsked || options.time !== undefined) {
  await runPage(bundle);
}

async function pageScript() {
  if (options.bundle) return resolve(options.bundle);
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(resolve(import.meta.dirname, 'build/build-values.ts'));
  const { code } = await module.bundleScript('bench/kernels/kernels.ts', { minify: false });
  const file = options.build ?? join(mkdtempSync(join(tmpdir(), 'kernels-')), 'kernels.js');
  writeFileSync(file, code);
  return resolve(file);
}

async function runPage(script) {
  const page = join(dirname(script), 'kernels.html');
  writeFileSync(page, '<!doctype html><meta charset="utf-8"><script src="/kernels.js"></script>');
  const server = await startServer({ roots: { '/kernels.js': script, '/page.html': page } });
  const browser = await launchBrowser({ gpu: options.gpu, flags: options.flags });
  try {
    const tab = await browser.newPage();
    tab.setDefaultTimeout(0);
    await tab.goto(`${server.url}/page.html`);
    if (options.check) await printCheck(tab);
    if (options.time !== undefined) await printTimes(tab);
    if (options.decoder) await printDecoders(tab);
    if (options.frame) await printFrames(tab);
    if (options.attention) await printAttention(tab);
  } finally {
    await browser.close();
    await server.close();
  }
}

async function printCheck(tab) {
  const { runs, problems } = await tab.evaluate(
    ({ filter, tier }) => window.vitrail.check(filter, tier),
    options,
  );
  for (const problem of problems) console.log(problem);
  console.log(`${runs} runs, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}

async function printDecoders(tab) {
  for (const shape of options.decoder.split(',')) {
    if (options.profile) {
      await printProfile(tab, shape);
      continue;
    }
    const times = await tab.evaluate(
      ([name, tier]) => window.vitrail.timeDecoder(name, tier),
      [shape, options.tier],
    );
    console.log(JSON.stringify(times));
  }
}

async function printProfile(tab, shape) {
  const profile = await tab.evaluate(
    ([name, tier]) => window.vitrail.profileDecoder(name, tier),
    [shape, options.tier],
  );
  for (const [part, kernels] of Object.entries(profile)) {
    console.log(`${shape} ${part}`);
    for (const { kernel, dispatches, totalMs } of kernels) {
      console.log(`  ${(1e3 * totalMs).toFixed(0)} µs in ${dispatches}: ${kernel}`);
    }
  }
}

async function printAttention(tab) {
  const positions = options.positions.split(',').map(Number);
  await tab.exposeFunction('report', (time) => console.log(JSON.stringify(time)));
  for (const shape of options.attention.split(',')) {
    for (const mode of options.modes.split(',')) {
      await tab.evaluate(
        ([shape, mode, positions]) =>
          window.vitrail.timeAttention(shape, mode, positions, window.report),
        [shape, mode, positions],
      );
    }
  }
}

async function printFrames(tab) {
  for (const network of options.frame.split(',')) {
    const time = await tab.evaluate(
      ([name, tier]) => window.vitrail.timeFrame(name, tier),
      [network, options.tier],
    );
    console.log(JSON.stringify(time));
  }
}

async function printTimes(tab) {
  tab.on('console', (message) => {
    if (message.type() !== 'info') return;
    const time = JSON.parse(message.text());
    const rate = time.teraflopsPerSecond ? ` ${time.teraflopsPerSecond} TFLOP/s` : '';
    const bandwidth = time.gigabytesPerSecond ? ` ${time.gigabytesPerSecond} GB/s` : '';
    const mark = time.chosen ? '*' : ' ';
    console.log(`${mark} ${time.title}: ${time.microseconds} µs${bandwidth}${rate}  ${time.label}`);
  });
  const variants = options.variants === undefined ? 'chosen' : options.variants.split(',');
  await tab.evaluate(
    ([titles, tier, variants, tokens]) => window.vitrail.time(titles, tier, variants, tokens),
    [options.time.split(','), options.tier, variants, Number(options.tokens)],
  );
}
