/**
 * Holds a model in the browser to exact answers: `npm run verify -- --model FILE --reference FILE [--gpu]
 * [--tiers A,B,C,D] [--kv f32,f16] [--tokens N] [--chats N]`. The reference is a JSON array: [0] { tokens, top, logprobs } for
 * teacher-forced text or null, then { messages or prompt, tokens, ids } for greedy answers. Prints a JSON line a configuration, with errors
 * and speeds; exits with 1 where an answer differs.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openModelPage } from './model-page.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    reference: { type: 'string' },
    gpu: { type: 'boolean', default: false },
    dist: { type: 'string', default: 'dist' },
    tiers: { type: 'string', default: 'A' },
    kv: { type: 'string', default: 'f32,f16' },
    tokens: { type: 'string', default: '256' },
    chats: { type: 'string', default: '4' },
  },
});
if (!options.model || !options.reference) {
  console.error('Usage: npm run verify -- --model FILE --reference FILE [--gpu] [--tiers A,C]');
  process.exit(2);
}
const [text, ...chats] = JSON.parse(readFileSync(options.reference, 'utf8'));
const { page, pageUrl, modelUrl, close } = await openModelPage(options);
let failed = false;
try {
  await page.goto(pageUrl);
  for (const maxTier of options.tiers.split(',')) {
    for (const kvCache of options.kv.split(',')) {
      const report = await page.evaluate(verify, {
        model: modelUrl,
        maxTier,
        kvCache,
        text: text && { ...text, tokens: text.tokens.slice(0, Number(options.tokens)) },
        chats: chats.slice(0, Number(options.chats)),
      });
      console.log(JSON.stringify(report));
      failed ||= report.error !== undefined || report.wrongAnswers > 0;
    }
  }
} finally {
  await close();
}
process.exit(failed ? 1 : 0);

/** Runs in the page, through the public API only. */
async function verify({ model, maxTier, kvCache, text, chats }) {
  const report = { maxTier, kvCache };
  try {
    const runtime = await window.vitrail.createRuntime({ maxTier });
    const { tier, adapter } = runtime.info;
    Object.assign(report, { tier, adapter });
    const longest = Math.max(
      text?.tokens.length ?? 0,
      ...chats.map(({ tokens, ids }) => tokens.length + ids.length),
    );
    const began = performance.now();
    const loaded = await runtime.loadModel(model, {
      contextLength: longest + 8,
      attention: { kvCache },
    });
    report.loadMs = Math.round(performance.now() - began);
    if (text) Object.assign(report, await compareText(loaded, text));
    report.wrongAnswers = 0;
    report.answers = chats.length;
    for (const chat of chats) {
      const generation = loaded.complete(chat.tokens, {
        temperature: 0,
        maxTokens: chat.ids.length,
      });
      const { tokens, timing } = await generation.result;
      if (tokens.join() !== chat.ids.join()) report.wrongAnswers += 1;
      report.decodeTokensPerSecond = Math.round(timing.decodeTokensPerSecond * 10) / 10;
      report.ttftMs = Math.round(timing.ttftMs * 10) / 10;
    }
    report.gpuBytes = (await runtime.stats()).gpuBytes;
    await loaded.dispose();
    await runtime.dispose();
  } catch (thrown) {
    report.error = `${thrown.code}: ${thrown.message} ${JSON.stringify(thrown.detail ?? {})}`;
  }
  return report;

  async function compareText(loaded, { tokens, top, logprobs }) {
    const logits = await loaded.logits(tokens);
    const width = logits.length / tokens.length;
    let error = 0;
    let count = 0;
    let agree = 0;
    tokens.forEach((_, i) => {
      const row = logits.subarray(i * width, (i + 1) * width);
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const shift =
        largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
      if (row.indexOf(largest) === top[i][0]) agree += 1;
      top[i].forEach((token, rank) => {
        error += Math.abs(row[token] - shift - logprobs[i][rank]);
        count += 1;
      });
    });
    return {
      positions: tokens.length,
      top1: agree / tokens.length,
      meanLogProbError: error / count,
    };
  }
}
