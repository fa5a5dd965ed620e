/** `npm run ask -- [options] "prompt"`: an answer in the terminal, from headless Chromium, through the public API. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from './browser.mjs';
import { startServer } from './static-server.mjs';

const usage = `Usage: npm run ask -- [options] "prompt"
  --model FILE|URL     a GGUF file, an address, or hf:owner/name/file.gguf; default: the embedded model
  --system TEXT        what the model should be
  --max-tokens N       default 256
  --temperature T      0 is greedy; default: what the file recommends, or 0.7
  --seed N             the same seed gives the same answer
  --context-length N   tokens that the KV cache holds
  --gpu                use the machine's GPU instead of the software adapter`;

const root = resolve(import.meta.dirname, '..');
let server;
let browser;
let ending = false;
const { values: options, positionals } = await readArguments();
const prompt = positionals.join(' ');
if (options.help) {
  console.log(usage);
  process.exit();
}
if (!prompt) await fail('No prompt was given.', usage, 2);
const contextLength = await number('context-length');
const generation = {
  maxTokens: (await number('max-tokens')) ?? 256,
  temperature: await number('temperature'),
  seed: await number('seed'),
};
if (!existsSync(resolve(root, 'dist/vitrail.iife.js'))) {
  process.stderr.write('Building once …\n');
  execFileSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const isLocalFile = options.model !== undefined && existsSync(options.model);
if (options.model !== undefined && !isLocalFile && !/^(https?|hf):/.test(options.model)) {
  await fail(`There is no file '${options.model}'.`, 'Check the path, or give an address.');
}
server = await startServer({
  roots: {
    ...(isLocalFile ? { '/model.gguf': resolve(options.model) } : {}),
    '/ask.html': resolve(root, 'scripts/ask.html'),
    '/': resolve(root, 'dist'),
  },
});
browser = await launchBrowser({ gpu: options.gpu });
process.on('SIGINT', () => finish(130));

try {
  const page = await browser.newPage();
  await page.exposeFunction('writeText', (text) => process.stdout.write(text));
  await page.exposeFunction('showProgress', showProgress);
  await page.goto(`${server.url}/ask.html`);
  const failure = await page.evaluate(answer, {
    model: isLocalFile ? `${server.url}/model.gguf` : options.model,
    system: options.system,
    prompt,
    contextLength,
    generation,
  });
  if (failure) {
    await fail(failure.message, failure.fix);
  } else {
    process.stdout.write('\n');
    await finish(0);
  }
} catch (thrown) {
  await fail(thrown.message, 'If it stays, report it with this message.');
}

/** Runs in the page: loads, answers, and returns the error instead of throwing it, since only plain data crosses. */
async function answer({ model, system, prompt, contextLength, generation }) {
  const given = (record) =>
    Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
  try {
    const runtime = await window.vitrail.createRuntime();
    const loaded = await runtime.loadModel(model, {
      ...given({ contextLength }),
      // The browser's profile goes with the process.
      cache: false,
      onProgress: (progress) => window.showProgress(progress),
    });
    await window.showProgress(null);
    const messages = [
      ...(system ? [{ role: 'system', content: system }] : []),
      { role: 'user', content: prompt },
    ];
    for await (const event of loaded.chat(messages, given(generation)))
      await window.writeText(event.text);
    return null;
  } catch (thrown) {
    return { message: thrown.message, fix: thrown.fix ?? '' };
  }
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        model: { type: 'string' },
        system: { type: 'string' },
        'max-tokens': { type: 'string' },
        temperature: { type: 'string' },
        seed: { type: 'string' },
        'context-length': { type: 'string' },
        gpu: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (thrown) {
    return fail(thrown.message, usage, 2);
  }
}

async function number(name) {
  if (options[name] === undefined) return undefined;
  const value = Number(options[name]);
  if (Number.isNaN(value))
    await fail(`--${name} is '${options[name]}', which is no number.`, usage, 2);
  return value;
}

/** One line on stderr that is written over; nothing where stderr is no terminal. */
function showProgress(progress) {
  if (!process.stderr.isTTY) return;
  if (!progress) {
    process.stderr.write('\r\x1b[K');
    return;
  }
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const { phase, loadedBytes, totalBytes } = progress;
  const filled = totalBytes > 0 ? Math.round((24 * loadedBytes) / totalBytes) : 0;
  const bar = '█'.repeat(filled) + '░'.repeat(24 - filled);
  process.stderr.write(
    `\r\x1b[K${phase} ${bar} ${megabytes(loadedBytes)} of ${megabytes(totalBytes)} MB`,
  );
}

function fail(message, fix, code = 1) {
  if (ending) return finish(code);
  showProgress(null);
  process.stderr.write(`${message}\n${fix ? `${fix}\n` : ''}`);
  return finish(code);
}

/** The first reason to end counts: closing the browser makes what waits for the page fail as well. */
async function finish(code) {
  if (ending) return new Promise(() => {});
  ending = true;
  await browser?.close().catch(() => undefined);
  await server?.close();
  process.exit(code);
}
