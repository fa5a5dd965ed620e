/**
 * Speeds of a model in the browser, through the public API: `npm run bench -- --model FILE [--gpu] [--tiers A,C] [--runs 3] [--profile] [--timeline] [--append]`.
 * For each prompt length: time to first token, prefill and decode speed (median of the runs, with the smallest and largest), after a
 * warm-up run. Prints a JSON line a tier; with --profile also the GPU time of each kernel while decoding, from a run of its own; with --timeline
 * when each burst of a run was recorded and came back.
 */
import { parseArgs } from 'node:util';
import { appendHistory, provenance } from '../bench/history.mjs';
import { exposeTimeline } from '../bench/timeline.mjs';
import { openModelPage } from './model-page.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/vitrail-books.gguf' },
    gpu: { type: 'boolean', default: false },
    dist: { type: 'string', default: 'dist' },
    tiers: { type: 'string', default: 'A' },
    runs: { type: 'string', default: '3' },
    prompts: { type: 'string', default: '128,512,2048' },
    tokens: { type: 'string', default: '128' },
    profile: { type: 'boolean', default: false },
    timeline: { type: 'boolean', default: false },
    append: { type: 'boolean', default: false },
    history: { type: 'string', default: 'bench/history' },
  },
});
const { page, pageUrl, modelUrl, browser, close } = await openModelPage(options);
try {
  if (options.timeline) await exposeTimeline(page);
  await page.goto(pageUrl);
  for (const maxTier of options.tiers.split(',')) {
    const report = await page.evaluate(measure, {
      model: modelUrl,
      maxTier,
      runs: Number(options.runs),
      prompts: options.prompts.split(',').map(Number),
      maxTokens: Number(options.tokens),
    });
    const { fallback, ...figures } = report;
    const line = { ...provenance(), kind: 'bench', browser: browser.version(), ...figures };
    console.log(JSON.stringify(line));
    if (options.append)
      console.error(`appended to ${appendHistory({ ...line, fallback }, options.history)}`);
    if (options.profile) {
      const context = Math.max(...options.prompts.split(',').map(Number));
      const profile = await page.evaluate(profileKernels, {
        model: modelUrl,
        maxTier,
        context,
        maxTokens: Math.min(32, Number(options.tokens)),
      });
      console.log(JSON.stringify({ kind: 'profile', model: report.model, context, ...profile }));
    }
  }
} finally {
  await close();
}

/** Runs in the page. */
async function measure({ model, maxTier, runs, prompts, maxTokens }) {
  const runtime = await window.vitrail.createRuntime({ maxTier });
  const { tier, adapter, fallback } = runtime.info;
  const began = performance.now();
  const loaded = await runtime.loadModel(model, {
    contextLength: Math.max(...prompts) + maxTokens,
  });
  const loadMs = performance.now() - began;
  const vocabulary = Math.min(1000, loaded.info.vocabSize);
  const results = [];
  for (const length of prompts) {
    const samples = [];
    // The first run of a length is the warm-up.
    for (let run = 0; run <= runs; run += 1) {
      // Another first token in each run: nothing of the prompt is in the cache.
      const tokens = Array.from(
        { length },
        (_, i) => (i * 7919 + run * 104_729 + length) % vocabulary,
      );
      const before = (await runtime.stats()).calls;
      await window.beginTimeline?.();
      const generation = loaded.complete(tokens, { temperature: 0, maxTokens, ignoreEos: true });
      const { timing } = await generation.result;
      const speed = `${timing.ttftMs.toFixed(1)} ms, ${timing.decodeTokensPerSecond.toFixed(0)} tok/s`;
      await window.endTimeline?.(`run ${run}, ${length} tokens: ${speed}`);
      const after = (await runtime.stats()).calls;
      const dispatchesPerToken = (after.dispatches - before.dispatches) / maxTokens;
      if (run > 0) samples.push({ ...timing, dispatchesPerToken });
    }
    const spread = (key) => {
      const values = samples.map((sample) => sample[key]).sort((a, b) => a - b);
      return [values[Math.floor(values.length / 2)], values[0], values.at(-1)].map(
        (value) => Math.round(value * 10) / 10,
      );
    };
    results.push({
      promptTokens: length,
      ttftMs: spread('ttftMs'),
      prefillTokensPerSecond: spread('prefillTokensPerSecond'),
      decodeTokensPerSecond: spread('decodeTokensPerSecond'),
      dispatchesPerToken: spread('dispatchesPerToken')[0],
    });
  }
  const { gpuBytes } = await runtime.stats();
  const { name, weightBytes } = loaded.info;
  await loaded.dispose();
  await runtime.dispose();
  return {
    model: name,
    tier,
    adapter,
    fallback,
    loadMs: Math.round(loadMs),
    weightBytes,
    gpuBytes,
    results,
  };
}

/** Runs in the page: microseconds of each kernel a token, while decoding after `context` tokens and while prefilling them. */
async function profileKernels({ model, maxTier, context, maxTokens }) {
  const runtime = await window.vitrail.createRuntime({ maxTier, profile: true });
  const loaded = await runtime.loadModel(model, { contextLength: context + maxTokens });
  const vocabulary = Math.min(1000, loaded.info.vocabSize);
  const prompt = Array.from({ length: context }, (_, i) => (i * 7919) % vocabulary);
  const ask = (tokens, count) =>
    loaded.complete(tokens, { temperature: 0, maxTokens: count, ignoreEos: true }).result;
  await ask([...prompt.slice(1), 1], 2);
  await runtime.profile();
  await ask(prompt, 1);
  const prefill = await runtime.profile();
  // The prompt is in the cache: what follows is decoding.
  await ask(prompt, maxTokens);
  const decode = await runtime.profile();
  await loaded.dispose();
  await runtime.dispose();
  const perToken = ({ kernels }, tokens) =>
    kernels.map(({ kernel, dispatches, totalMs, boundBytes }) => ({
      kernel,
      dispatches: Math.round((10 * dispatches) / tokens) / 10,
      us: Math.round((1e4 * totalMs) / tokens) / 10,
      gigabytesPerSecond: totalMs > 0 ? Math.round(boundBytes / totalMs / 1e6) : null,
    }));
  return {
    supported: decode.supported,
    decode: perToken(decode, maxTokens),
    prefill: perToken(prefill, context),
  };
}
