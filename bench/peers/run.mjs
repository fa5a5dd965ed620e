/**
 * `npm run bench:peers -- [--shapes smol135,qwen05] [--gpu] [--timeline] [--append]`: Vitrail, onnxruntime-web and wllama in one page on the same
 * random weights. Rounds are interleaved: each engine once, then all again. In its turn each engine works untimed for half a second before it
 * is timed, since the clock of a GPU that had little to do is low (`--warm-up 0`: it does not). Then it answers `--asks` times in a row, since
 * a single prompt of a few milliseconds tells as much of what else the browser did. Prints a table and a JSON line a model; --append adds the
 * lines of hardware adapters to bench/history.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from '../../scripts/browser.mjs';
import { startServer } from '../../scripts/static-server.mjs';
import { appendHistory, provenance } from '../history.mjs';
import { filesOfPack } from '../pack.mjs';
import { exposeTimeline } from '../timeline.mjs';
import { compare, table } from './compare.mjs';
import { shapes } from './shapes.mjs';

const { values: options } = parseArgs({
  options: {
    shapes: { type: 'string', default: 'smol135,qwen05,llama1b' },
    engines: { type: 'string', default: 'vitrail,onnxruntime,wllama' },
    prompts: { type: 'string', default: '128,512,2048' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    asks: { type: 'string', default: '3' },
    models: { type: 'string', default: '.carry/models' },
    gpu: { type: 'boolean', default: false },
    timeline: { type: 'boolean', default: false },
    append: { type: 'boolean', default: false },
    history: { type: 'string', default: 'bench/history' },
    'accuracy-level': { type: 'string', default: '4' },
    'warm-up': { type: 'string', default: '500' },
  },
});
const root = resolve(import.meta.dirname, '../..');
const prompts = options.prompts.split(',').map(Number);
const browser = await launchBrowser({ gpu: options.gpu });
try {
  for (const shape of options.shapes.split(',')) await benchShape(shape);
} finally {
  await browser.close();
}

async function benchShape(shape) {
  const folder = resolve(root, options.models);
  const server = await startServer({
    roots: {
      ...filesOfPack(),
      '/models/': folder,
      '/bench/': resolve(root, 'bench/peers'),
    },
    // wllama's threads need an isolated page.
    headers: {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  });
  const page = await browser.newPage();
  try {
    page.setDefaultTimeout(0);
    await page.exposeFunction('report', (line) => console.error(line));
    if (options.timeline) await exposeTimeline(page);
    await page.goto(`${server.url}/bench/page.html`);
    const adapter = await page.evaluate(adapterInfo);
    const float = adapter.f16 ? 'f16' : 'f32';
    generate(shape, float, folder);
    const contextLength = Math.max(...prompts) + Number(options.tokens) + 64;
    const results = await page.evaluate(measure, {
      engineNames: options.engines.split(','),
      model: { shape, contextLength, float: adapter.f16 ? 'float16' : 'float32', ...shapes[shape] },
      prompts,
      count: Number(options.tokens),
      rounds: Number(options.rounds),
      asks: Number(options.asks),
      warmUpMs: Number(options['warm-up']),
    });
    const compared = compare(results);
    const line = {
      ...provenance(),
      kind: 'peers',
      adapter: results.vitrail?.info?.adapter || adapter.name,
      browser: browser.version(),
      model: shape,
      decodedTokens: Number(options.tokens),
      warmUpMs: Number(options['warm-up']),
      asks: Number(options.asks),
      engines: compared,
    };
    console.log(table(shape, compared));
    console.log(JSON.stringify(line));
    if (options.append) {
      const { fallback } = adapter;
      console.error(`appended to ${appendHistory({ ...line, fallback }, options.history)}`);
    }
  } finally {
    await page.close();
    await server.close();
  }
}

function generate(shape, float, folder) {
  console.error(`${shape}: writing random weights (${float}) …`);
  const generator = resolve(root, 'bench/random_model');
  const parts = [
    '--shape',
    shape,
    '--out',
    folder,
    '--float',
    float,
    '--accuracy-level',
    options['accuracy-level'],
  ];
  execFileSync('python3', [generator, ...parts, ...(shapes[shape].peers ? ['--onnx'] : [])], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

/** Runs in the page. */
async function adapterInfo() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('this browser has no WebGPU adapter');
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  return {
    name: description || `${vendor} ${architecture}`,
    fallback: Boolean(isFallbackAdapter) || architecture === 'swiftshader',
    f16: adapter.features.has('shader-f16'),
  };
}

/** Runs in the page. Samples by engine; an engine that fails is left out with its reason. */
async function measure({ engineNames, model, prompts, count, rounds, asks, warmUpMs }) {
  while (!window.engines) await new Promise((done) => setTimeout(done, 20));
  const letters = 'abcdfgjklmopqrstuvwxyz';
  /** No prompt may begin as the one before it: timed ones are of the first seeds by turns, warm-ups of the next. */
  const timedSeeds = 10;
  const warmUpSeeds = 8;
  // One byte is one token in these models: letters that no merge joins, in words.
  const promptOf = (length, seed) =>
    Array.from({ length }, (_, i) => {
      const letter = (i * 7919 + (seed + 1) * 104_729 + ((i * i) % 8191)) % letters.length;
      return i % 8 === 7 ? 32 : letters.charCodeAt(letter);
    });
  /** Asks for short answers to prompts of this length for a while; gives the first of them. */
  async function warmUp(engine, length) {
    const until = performance.now() + warmUpMs;
    let first = null;
    for (let i = 0; performance.now() < until; i += 1) {
      const prompt = promptOf(length, timedSeeds + (i % warmUpSeeds));
      const sample = await engine.ask(prompt, Math.max(2, Math.ceil(count / 4)));
      first ??= sample;
    }
    return first;
  }
  const results = {};
  const loaded = {};
  for (const name of engineNames) {
    if (name !== 'vitrail' && !model.peers) continue;
    await window.report(`  loading ${name}`);
    results[name] = { samples: [] };
    try {
      loaded[name] = await window.engines[name](model);
      Object.assign(results[name], { loadMs: loaded[name].loadMs, info: loaded[name].info });
    } catch (thrown) {
      results[name].error = String(thrown?.message ?? thrown);
      await window.report(`  ${name} failed: ${results[name].error}`);
    }
  }
  const speedOf = ({ decodedTokens, decodeMs }) => (1000 * decodedTokens) / decodeMs;
  async function turn(name, length, round) {
    const engine = loaded[name];
    const idle = await warmUp(engine, length);
    const said = [];
    for (let ask = 0; ask < asks; ask += 1) {
      const number = round * asks + ask;
      if (name === 'vitrail') await window.beginTimeline?.();
      const sample = await engine.ask(promptOf(length, number % timedSeeds), count);
      if (name === 'vitrail') await window.endTimeline?.(`round ${round + 1}`);
      results[name].firstMs ??= (idle ?? sample).prefillMs;
      results[name].samples.push({ length, number, ...sample, ...(ask === 0 ? { idle } : {}) });
      said.push(`${sample.prefillMs.toFixed(1)} ms, ${speedOf(sample).toFixed(2)} tok/s`);
    }
    const before = idle ? ` (${speedOf(idle).toFixed(2)} before)` : '';
    await window.report(
      `  round ${round + 1}, ${length} tokens, ${name}: ${said.join('; ')}${before}`,
    );
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const length of prompts) {
      for (const name of Object.keys(loaded)) {
        if (results[name].error) continue;
        try {
          await turn(name, length, round);
        } catch (thrown) {
          results[name].error = String(thrown?.message ?? thrown);
          await window.report(`  ${name} failed: ${results[name].error}`);
        }
      }
    }
  }
  for (const engine of Object.values(loaded)) await engine.dispose().catch(() => undefined);
  return results;
}
