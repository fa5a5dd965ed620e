/**
 * What a model finds in long texts, through the public API: `npm run bench:long -- --model FILE [--gpu] [--lengths 1000,4096,16384]
 * [--modes dense,select,narrow,narrow-select] [--select initial,selected,local,similarity] [--budget 0.75,0.5] [--kv f16,q8_0,q4_0]
 * [--trials 20] [--prose FILE] [--text FILE]`. For each cache format, mode, budget of narrow ones, and length (tokens): the share of pass
 * keys that are found between sentences of --prose (without it, between repetitions of the line that is usual), prefill and decode
 * speed, and with --text the nats a token of the 256 tokens that end there. One JSON line a length, as it comes.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser } from '../scripts/browser.mjs';
import { startServer } from '../scripts/static-server.mjs';
import { provenance } from './history.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/vitrail-small.gguf' },
    dist: { type: 'string', default: 'dist' },
    gpu: { type: 'boolean', default: false },
    lengths: { type: 'string', default: '512,1000' },
    modes: { type: 'string', default: 'dense,select' },
    select: { type: 'string', default: '' },
    budget: { type: 'string', default: '0.5' },
    kv: { type: 'string', default: 'f16' },
    trials: { type: 'string', default: '20' },
    prose: { type: 'string' },
    text: { type: 'string' },
  },
});
const root = resolve(import.meta.dirname, '..');
const server = await startServer({
  roots: {
    '/model.gguf': resolve(options.model),
    '/page.html': resolve(root, 'scripts/ask.html'),
    '/': resolve(root, options.dist),
  },
});
const browser = await launchBrowser({ gpu: options.gpu });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.exposeFunction('report', (figures) => {
    const line = { ...provenance(), kind: 'long-context', browser: browser.version() };
    console.log(JSON.stringify({ ...line, ...figures }));
  });
  await page.goto(`${server.url}/page.html`);
  for (const { mode, attention } of attentions()) {
    await page.evaluate(measure, {
      model: `${server.url}/model.gguf`,
      mode,
      attention,
      lengths: options.lengths.split(',').map(Number),
      trials: Number(options.trials),
      prose: options.prose ? readFileSync(options.prose, 'utf8') : '',
      text: options.text ? readFileSync(options.text, 'utf8') : '',
    });
  }
} finally {
  await browser.close();
  await server.close();
}

function attentions() {
  const budgets = options.budget.split(',').map((budget) => ({ budget: Number(budget) }));
  return options.kv.split(',').flatMap((kvCache) =>
    options.modes.split(',').flatMap((mode) => {
      const tokenSelect = mode.endsWith('select') ? selectOption() : false;
      const caches = mode.startsWith('narrow') ? budgets : [false];
      return caches.map((matryoshka) => ({
        mode,
        attention: { tokenSelect, kvCache, matryoshka },
      }));
    }),
  );
}

function selectOption() {
  if (!options.select) return true;
  const [initial, selected, local, similarity] = options.select.split(',').map(Number);
  return { initial, selected, local, similarity };
}

/** Runs in the page. */
async function measure({ model: source, mode, attention, lengths, trials, prose, text }) {
  const usual =
    'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ';
  const longest = Math.max(...lengths);
  const runtime = await window.vitrail.createRuntime();
  const model = await runtime.loadModel(source, {
    contextLength: longest + 64,
    attention,
  });
  const { tokenizer } = model;
  let seed = 5;
  const random = (count) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * count);
  };
  const sentences = prose.replace(/\s+/g, ' ').match(/[^.!?]+[.!?]+["”’']*\s/g) ?? [usual];
  const sizes = sentences.map((sentence) => tokenizer.encode(sentence).length);
  for (const length of lengths) {
    let found = 0;
    let timing;
    for (let trial = 0; trial < trials; trial += 1) {
      const key = String(10_000 + random(90_000));
      const line = `The pass key is ${key}. Remember it. ${key} is the pass key. `;
      const question = '\nWhat is the pass key? The pass key is';
      const room = length - tokenizer.encode(line + question).length - 8;
      const parts = fillerOf(room);
      parts.splice(random(parts.length + 1), 0, line);
      const prompt = parts.join('') + question;
      const answer = await model.complete(prompt, { maxTokens: 16, temperature: 0 }).result;
      found += Number(answer.text.trim().startsWith(key));
      timing = answer.timing;
    }
    const figures = { passKeys: found / trials, ...timing };
    if (text) figures.nats = await natsAt(length);
    const { gpuBytes } = await runtime.stats();
    await window.report({
      mode,
      adapter: runtime.info.adapter,
      model: model.info.name,
      attention: model.info.attention,
      options: attention,
      filler: prose ? 'prose' : 'repeated line',
      gpuBytes,
      results: { [length]: figures },
    });
  }
  await runtime.dispose();

  /** Sentences that follow each other from anywhere on, of so many tokens together. */
  function fillerOf(room) {
    const parts = [];
    let at = random(sentences.length);
    for (let left = room - sizes[at]; left >= 0; left -= sizes[at]) {
      parts.push(sentences[at]);
      at = (at + 1) % sentences.length;
    }
    return parts;
  }

  /** Mean nats of the 256 tokens that end at `length`, over four texts. */
  async function natsAt(length) {
    const texts = 4;
    const count = 256;
    const vocabulary = model.info.vocabSize;
    const ids = tokenizer.encode(text.slice(0, (length + 1) * 4 * 8));
    let sum = 0;
    for (let t = 0; t < texts; t += 1) {
      const from = Math.floor((t * Math.max(0, ids.length - length - 1)) / texts);
      const part = ids.slice(from, from + length);
      const logits = await model.logits(part, { first: length - count });
      for (let row = 0; row < count - 1; row += 1) {
        const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
        let largest = -Infinity;
        for (const value of own) largest = Math.max(largest, value);
        let total = 0;
        for (const value of own) total += Math.exp(value - largest);
        sum += largest + Math.log(total) - own[part[length - count + row + 1]];
      }
    }
    return sum / (texts * (count - 1));
  }
}
