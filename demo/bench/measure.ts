import {
  createRuntime,
  type KernelProfile,
  type LanguageModel,
  type Runtime,
  type RuntimeStats,
  type Source,
} from 'vitrail';
import { copyBandwidth } from './copy-bandwidth.ts';

/** What is measured: prompt lengths in tokens, tokens of each answer, repetitions. */
export interface BenchPlan {
  prompts: readonly number[];
  answerTokens: number;
  rounds: number;
}

export const plans: Record<'quick' | 'full', BenchPlan> = {
  quick: { prompts: [128], answerTokens: 16, rounds: 1 },
  full: { prompts: [128, 512, 2048, 8192], answerTokens: 64, rounds: 3 },
};

/** Medians at one prompt length. */
export interface BenchRow {
  promptTokens: number;
  ttftMs: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
}

export interface BenchReport {
  date: string;
  browser: string;
  adapter: string;
  tier: string;
  fallback: boolean;
  model: string;
  quantization: string;
  weightBytes: number;
  gpuBytes: number;
  /** The first load of this run, and whether the weights were in this browser already. */
  firstLoad: { ms: number; cached: boolean };
  warmLoadMs: number;
  rows: BenchRow[];
  callsPerToken: RuntimeStats['calls'];
  /** Bytes read and written each second by a copy on the GPU. */
  copyBytesPerSecond: number;
  /** GPU time by kernel while decoding; empty where the GPU has no timestamps. */
  kernels: KernelProfile[];
  profiledTokens: number;
}

export interface BenchProgress {
  doing: string;
  /** 0 to 1. */
  done: number;
  row?: BenchRow;
}

type Tell = (progress: BenchProgress) => void;

/** Runs the whole plan on one model, through the public API. Throws `VitrailError`; an abort throws the signal's reason. */
export async function runBench(
  source: Source | undefined,
  plan: BenchPlan,
  signal: AbortSignal,
  tell: Tell,
): Promise<BenchReport> {
  const longest = Math.max(...plan.prompts) + plan.answerTokens;
  await using runtime = await createRuntime();
  const first = await timedLoad(runtime, source, longest, signal, (done) =>
    tell({ doing: 'Loading the model', done: 0.15 * done }),
  );
  await first.model.dispose();
  const warm = await timedLoad(runtime, source, longest, signal, (done) =>
    tell({ doing: 'Loading it again', done: 0.15 + 0.05 * done }),
  );
  const { model } = warm;
  const rows = await measureRows(model, plan, signal, tell);
  const callsPerToken = await callsOfAToken(runtime, model, signal);
  const { gpuBytes } = await runtime.stats();
  const { name, quantization, weightBytes } = model.info;
  await model.dispose();
  tell({ doing: 'Timing the kernels', done: 0.85 });
  const profiledTokens = plan.answerTokens;
  const kernels = await profileDecode(source, profiledTokens, signal);
  tell({ doing: 'Measuring the memory', done: 0.95 });
  const copyBytesPerSecond = await copyBandwidth();
  signal.throwIfAborted();
  return {
    date: new Date().toISOString().slice(0, 10),
    browser: navigator.userAgent,
    adapter: runtime.info.adapter,
    tier: runtime.info.tier,
    fallback: runtime.info.fallback,
    model: name,
    quantization,
    weightBytes,
    gpuBytes,
    firstLoad: { ms: Math.round(first.ms), cached: first.cached },
    warmLoadMs: Math.round(warm.ms),
    rows,
    callsPerToken,
    copyBytesPerSecond,
    kernels,
    profiledTokens,
  };
}

async function timedLoad(
  runtime: Runtime,
  source: Source | undefined,
  contextLength: number,
  signal: AbortSignal,
  onPart: (done: number) => void,
): Promise<{ model: LanguageModel; ms: number; cached: boolean }> {
  const began = performance.now();
  let cached = false;
  const model = await runtime.loadModel(source, {
    contextLength,
    signal,
    onProgress: (progress) => {
      cached ||= progress.cached;
      if (progress.totalBytes > 0) onPart(progress.loadedBytes / progress.totalBytes);
    },
  });
  return { model, ms: performance.now() - began, cached };
}

async function measureRows(
  model: LanguageModel,
  plan: BenchPlan,
  signal: AbortSignal,
  tell: Tell,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const total = plan.prompts.reduce((sum, length) => sum + length, 0);
  let finished = 0;
  // The first question compiles what is left to compile.
  await ask(model, promptTokens(model, 16, 0), 2, signal);
  for (const length of plan.prompts) {
    const doing = `Asking with ${length.toLocaleString('en')} tokens`;
    tell({ doing, done: 0.2 + (0.65 * finished) / total });
    const timings = [];
    for (let round = 1; round <= plan.rounds; round += 1) {
      const prompt = promptTokens(model, length, round);
      timings.push((await ask(model, prompt, plan.answerTokens, signal)).timing);
    }
    const row: BenchRow = {
      promptTokens: length,
      ttftMs: median(timings.map(({ ttftMs }) => ttftMs)),
      prefillTokensPerSecond: median(timings.map((each) => each.prefillTokensPerSecond)),
      decodeTokensPerSecond: median(timings.map((each) => each.decodeTokensPerSecond)),
    };
    rows.push(row);
    finished += length;
    tell({ doing, done: 0.2 + (0.65 * finished) / total, row });
  }
  return rows;
}

async function ask(model: LanguageModel, prompt: number[], maxTokens: number, signal: AbortSignal) {
  signal.throwIfAborted();
  const options = { temperature: 0, maxTokens, ignoreEos: true, signal };
  const answer = await model.complete(prompt, options).result;
  signal.throwIfAborted();
  return answer;
}

/** Another first token each round: nothing of the prompt is in the cache. */
function promptTokens(model: LanguageModel, length: number, round: number): number[] {
  const vocabulary = Math.min(1000, model.info.vocabSize);
  return Array.from({ length }, (_, i) => (i * 7919 + round * 104_729 + length) % vocabulary);
}

/** WebGPU calls of one more token: the difference of two short answers. */
async function callsOfAToken(
  runtime: Runtime,
  model: LanguageModel,
  signal: AbortSignal,
): Promise<RuntimeStats['calls']> {
  const counted = async (maxTokens: number) => {
    const before = (await runtime.stats()).calls;
    await ask(model, promptTokens(model, 8, 10 + maxTokens), maxTokens, signal);
    return { before, after: (await runtime.stats()).calls };
  };
  const few = await counted(1);
  const more = await counted(3);
  const names = Object.keys(more.after) as (keyof RuntimeStats['calls'])[];
  const entries = names.map((name) => {
    const extra = more.after[name] - more.before[name] - (few.after[name] - few.before[name]);
    return [name, extra / 2];
  });
  return Object.fromEntries(entries);
}

async function profileDecode(
  source: Source | undefined,
  tokens: number,
  signal: AbortSignal,
): Promise<KernelProfile[]> {
  await using runtime = await createRuntime({ profile: true });
  const model = await runtime.loadModel(source, { contextLength: 128 + tokens, signal });
  const prompt = promptTokens(model, 128, 0);
  await ask(model, prompt, 1, signal);
  await runtime.profile();
  await ask(model, prompt, tokens, signal);
  return (await runtime.profile()).kernels;
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  const value = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Number(value.toPrecision(4));
}
