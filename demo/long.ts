import {
  createRuntime,
  type Generation,
  type LanguageModel,
  type LoadOptions,
  type Runtime,
  VitrailError,
} from 'vitrail';
import { byId } from './dom.ts';
import { setUpDrop } from './file-drop.ts';
import { formatBytes, formatRate } from './format.ts';
import { Heat } from './heat.ts';
import { showNotice } from './notice.ts';
import { setUpPage } from './page-links.ts';
import { sampleText } from './sample-text.ts';

type Mode = 'select' | 'dense';

/** Tokens that an answer has at most. */
const answerTokens = 64;
/** How often the page asks what is attended to, ms. */
const pollMs = 250;

const query = new URLSearchParams(location.search);
const heat = new Heat();
let runtime: Promise<Runtime> | undefined;
/** What is loaded, and for which choices: asked again with the same ones, it need not load. */
let loaded: { model: LanguageModel; choices: string } | undefined;
let running: AbortController | undefined;

async function ask(): Promise<void> {
  if (!text().trim()) {
    showStatus('Paste a text first, or take the sample.');
    return;
  }
  const mine = new AbortController();
  running = mine;
  showRunning(true);
  try {
    byId('answer').textContent = '';
    const model = await load(mine.signal);
    await answer(model, await promptFor(model), mine.signal);
  } catch (thrown) {
    if (!(thrown instanceof VitrailError && thrown.code === 'aborted')) showError(thrown);
  } finally {
    running = undefined;
    showReading(false);
    showRunning(false);
  }
}

/** A question to a model that chats; what is to go on for one that only tells. */
async function promptFor(model: LanguageModel): Promise<number[]> {
  const written = text().trimEnd();
  const question = byId<HTMLInputElement>('question').value;
  if (!model.info.chatTemplate) {
    return model.tokenizer.encode(`${written}\n${question}`, { addBos: true });
  }
  return model.encodeChat([{ role: 'user', content: `${written}\n\nQuestion: ${question}` }]);
}

async function answer(
  model: LanguageModel,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  heat.show(ids, model.tokenizer);
  byId('context').textContent = `${ids.length.toLocaleString('en')} tokens`;
  showStatus(`Reading ${ids.length.toLocaleString('en')} tokens …`);
  showReading(true);
  const generation = model.complete(ids, { maxTokens: answerTokens, temperature: 0, signal });
  await follow(model, generation);
  const { timing, finish } = await generation.result;
  byId('prefill').textContent = formatRate(timing.prefillTokensPerSecond);
  byId('decode').textContent = formatRate(timing.decodeTokensPerSecond);
  showStatus(finish === 'abort' ? 'Stopped.' : 'Done.');
  await colour(model);
}

/** Shows the answer as it comes, and now and then what the model looks at. */
async function follow(model: LanguageModel, generation: Generation): Promise<void> {
  let colouredAt = 0;
  let began = 0;
  let tokens = 0;
  for await (const event of generation) {
    // Reading is over when the first text comes.
    if (began === 0) {
      began = performance.now();
      showReading(false);
    } else tokens += event.tokens.length;
    byId('answer').textContent = `${byId('answer').textContent}${event.text}`.trimStart();
    if (performance.now() - colouredAt < pollMs) continue;
    colouredAt = performance.now();
    showStatus('Writing …');
    byId('decode').textContent = formatRate((1000 * tokens) / (performance.now() - began));
    await colour(model);
  }
}

async function colour(model: LanguageModel): Promise<void> {
  heat.colour(await model.attended(), model.info.layers);
}

/** The model with the attention that is chosen and room for the text. */
async function load(signal: AbortSignal): Promise<LanguageModel> {
  runtime ??= createRuntime();
  runtime.catch(() => {
    runtime = undefined;
  });
  const opened = await runtime;
  const attention = attentionOptions();
  const contextLength = roomFor(text());
  const choices = JSON.stringify([attention, contextLength]);
  if (loaded?.choices === choices) return loaded.model;
  const before = loaded?.model;
  loaded = undefined;
  await before?.dispose();
  const bar = byId<HTMLProgressElement>('bar');
  bar.hidden = false;
  showStatus('Loading the model …');
  try {
    const model = await opened.loadModel(query.get('src') ?? undefined, {
      signal,
      contextLength,
      attention,
      onProgress: ({ loadedBytes, totalBytes }) => {
        bar.value = totalBytes > 0 ? loadedBytes / totalBytes : 0;
      },
    });
    loaded = { model, choices };
    const { gpuBytes } = await opened.stats();
    byId('model').textContent = model.info.name;
    byId('cache').textContent = formatBytes(cacheBytes(model));
    byId('gpu').textContent = formatBytes(gpuBytes);
    return model;
  } finally {
    bar.hidden = true;
  }
}

function attentionOptions(): NonNullable<LoadOptions['attention']> {
  const mode = document.querySelector<HTMLInputElement>('input[name=mode]:checked')?.value as Mode;
  return {
    ...(mode === 'select' ? { tokenSelect: true } : {}),
    ...(byId<HTMLInputElement>('narrow').checked ? { matryoshka: { budget: 0.5 } } : {}),
    ...(byId<HTMLInputElement>('moh').checked ? {} : { moh: false as const }),
  };
}

/** Bytes of keys and values in halves; a narrow cache holds half of each. */
function cacheBytes({ info }: LanguageModel): number {
  const whole = 2 * 2 * info.layers * info.kvHeads * info.headDim * info.contextLength;
  return info.attention.includes('matryoshka') ? whole / 2 : whole;
}

/** Tokens of context: in steps, so that a few more words need no other load. A token has some three characters. */
function roomFor(written: string): number {
  return Math.ceil((written.length / 2.5 + answerTokens + 64) / 1024) * 1024;
}

function text(): string {
  return byId<HTMLTextAreaElement>('text').value;
}

function setText(written: string): void {
  byId<HTMLTextAreaElement>('text').value = written;
  showSize();
}

function showSize(): void {
  const words = text().split(/\s+/).filter(Boolean).length;
  byId('size').textContent = words > 0 ? `${words.toLocaleString('en')} words` : '';
}

function showRunning(isRunning: boolean): void {
  const [shown, hidden] = isRunning ? ['stop', 'ask'] : ['ask', 'stop'];
  const hadFocus = document.activeElement === byId(hidden);
  byId(shown).hidden = false;
  byId(hidden).hidden = true;
  if (hadFocus) byId(shown).focus();
  if (isRunning) showNotice(null);
}

let readingClock = 0;

/** A bar without an end, and the seconds so far: how far a model has read is not told. */
function showReading(isReading: boolean): void {
  const bar = byId<HTMLProgressElement>('bar');
  bar.hidden = !isReading;
  if (readingClock) byId('prefill').textContent = '–';
  clearInterval(readingClock);
  readingClock = 0;
  if (!isReading) return;
  bar.removeAttribute('value');
  let seconds = 0;
  readingClock = window.setInterval(() => {
    seconds += 1;
    byId('prefill').textContent = `${seconds} s so far`;
  }, 1000);
}

function showStatus(status: string): void {
  byId('status').textContent = status;
}

function showError(thrown: unknown): void {
  showStatus('');
  showNotice(thrown);
}

async function openFile(file: File | undefined): Promise<void> {
  if (file) setText(await file.text());
}

setUpPage();
byId('ask').addEventListener('click', () => void ask());
byId('question').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !running) void ask();
});
byId('stop').addEventListener('click', () => running?.abort());
byId('text').addEventListener('input', showSize);
byId('sample').addEventListener('click', () => {
  setText(
    sampleText(
      Number(query.get('sentences') ?? 90),
      10_000 + Math.floor(Math.random() * 90_000),
      Math.random(),
    ),
  );
});
const input = byId<HTMLInputElement>('file');
input.addEventListener('change', () => void openFile(input.files?.[0]));
setUpDrop((file) => void openFile(file));
