/**
 * What a model finds in long texts, through the public API: `npm run bench:long -- --model FILE [--gpu] [--lengths 1000,4096,16384]
 * [--modes dense,select,narrow,narrow-select] [--select initial,selected,local,similarity] [--budget 0.75,0.5] [--kv f16,q8_0,q4_0]
 * [--trials 20] [--chat] [--prose FILE] [--text FILE]`. For each cache format, mode, budget of narrow ones, and length (tokens): the share of
 * pass keys that are found between sentences of --prose (without it, between repetitions of the line that is usual), prefill and decode
 * speed, and with --text the nats a token of the 256 tokens that end there. With --chat a user says the text and asks for the pass key, and
 * then for a fact (train/token-select/needles.json) that stands in it too. One JSON line a length, as it comes.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openModelPage } from '../scripts/model-page.mjs';
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
    chat: { type: 'boolean', default: false },
    prose: { type: 'string' },
    text: { type: 'string' },
  },
});
const { page, pageUrl, modelUrl, browser, close } = await openModelPage(options);
try {
  await page.exposeFunction('report', (figures) => {
    const line = { ...provenance(), kind: 'long-context', browser: browser.version() };
    console.log(JSON.stringify({ ...line, ...figures }));
  });
  await page.goto(pageUrl);
  for (const { mode, attention } of attentions()) {
    await page.evaluate(measure, {
      model: modelUrl,
      mode,
      attention,
      lengths: options.lengths.split(',').map(Number),
      trials: Number(options.trials),
      needles: options.chat ? needles() : null,
      prose: options.prose ? readFileSync(options.prose, 'utf8') : '',
      text: options.text ? readFileSync(options.text, 'utf8') : '',
    });
  }
} finally {
  await close();
}

function needles() {
  return JSON.parse(
    readFileSync(resolve(import.meta.dirname, '../train/token-select/needles.json'), 'utf8'),
  );
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
async function measure({ model: source, mode, attention, lengths, trials, needles, prose, text }) {
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
    const found = {};
    let timing;
    for (let trial = 0; trial < trials; trial += 1) {
      const hidden = needles ? [passKey(), fact()] : [passKey()];
      const written = textOf(length, hidden);
      for (const needle of hidden) {
        const answer = await ask(written, needle);
        found[needle.name] = (found[needle.name] ?? 0) + Number(answer.isRight);
        // A second question finds the text read.
        if (needle === hidden[0]) timing = answer.timing;
      }
    }
    const figures = { ...timing };
    for (const [name, count] of Object.entries(found)) figures[name] = count / trials;
    if (text) figures.nats = await natsAt(length);
    const { gpuBytes } = await runtime.stats();
    await window.report({
      mode,
      adapter: runtime.info.adapter,
      model: model.info.name,
      attention: model.info.attention,
      options: attention,
      form: needles ? 'chat' : 'text',
      filler: prose ? 'prose' : 'repeated line',
      gpuBytes,
      results: { [length]: figures },
    });
  }
  await runtime.dispose();

  function passKey() {
    const key = String(10_000 + random(90_000));
    const line = `The pass key is ${key}. Remember it. ${key} is the pass key. `;
    const question = needles
      ? 'What number is the pass key?'
      : 'What is the pass key? The pass key is';
    return { name: 'passKeys', line, question, answer: key };
  }

  function fact() {
    const { line, question, answers } = oneOf(needles.facts);
    const name = oneOf(needles.names);
    const answer = oneOf(answers);
    const filled = (form) => form.replace('{name}', name).replace('{answer}', answer);
    return { name: 'facts', line: filled(line), question: filled(question), answer };
  }

  function oneOf(list) {
    return list[random(list.length)];
  }

  /** Sentences of so many tokens, with room for a question, and what is hidden among them. */
  function textOf(length, hidden) {
    const lines = hidden.map(({ line }) => line);
    const question = hidden.map((needle) => needle.question).sort((a, b) => b.length - a.length)[0];
    const around = needles ? 48 : 8;
    const parts = fillerOf(length - tokenizer.encode(lines.join('') + question).length - around);
    for (const line of lines) parts.splice(random(parts.length + 1), 0, line);
    return parts.join('');
  }

  async function ask(written, { question, answer: right }) {
    const settings = { maxTokens: needles ? 24 : 16, temperature: 0 };
    const content = `${written.trimEnd()}\n\nQuestion: ${question}`;
    const generation = needles
      ? model.chat([{ role: 'user', content }], settings)
      : model.complete(`${written}\n${question}`, settings);
    const { text: answer, timing } = await generation.result;
    const isRight = needles ? answer.includes(right) : answer.trim().startsWith(right);
    return { isRight, timing };
  }

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
