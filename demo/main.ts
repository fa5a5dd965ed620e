import {
  type ChatState,
  checkSupport,
  createChat,
  type LanguageModel,
  VitrailError,
} from 'vitrail';
import { ConversationView } from './conversation-view.ts';
import { announce, byId, make } from './dom.ts';
import { formatDuration, formatRate } from './format.ts';
import { Loader } from './loader.ts';
import { type ChosenSource, nameOfUrl, setUpModelPicker } from './model-picker.ts';
import { embeddedModels } from './models.ts';
import { readSavedState, type Settings, saveState } from './saved-state.ts';
import { setUpSettings } from './settings-panel.ts';
import { setUpStorage } from './storage-panel.ts';
import { setUpTheme } from './theme.ts';

const suggestions = [
  'Tell me a short story about a lighthouse.',
  'Explain why the sky is blue.',
  'Write a haiku about glass.',
];

const saved = readSavedState();
let settings: Settings = saved.settings;
const loader = new Loader();
const chat = createChat({ onSentence: announce }, saved.messages);
const view = new ConversationView(chat);
/** What was tried last, for the error's "Try again". */
let lastLoad: { source: ChosenSource; name: string } | undefined;

let lastStatus: ChatState['status'] = 'ready';
/** For the live figures: when the question was sent, when the first piece came, and how many came since. */
let startedAt = 0;
let firstAt = 0;
let pieces = 0;

setUpTheme(saved.theme);
setUpModelPicker((source, name) => void load(source, name));
setUpStorage(async () => (await loader.runtime()).store);
setUpSettings(settings, (changed) => {
  settings = changed;
  saveState({ settings });
  applySettings();
});
setUpComposer();
setUpErrors();
setUpSuggestions();
chat.subscribe(showChat);
addEventListener('pagehide', () => saveState({ messages: [...chat.getState().messages] }));
applySettings();
showChat();
void start();

/** Opens what the address names, else what was open last if that needs no download, else the embedded model. */
async function start(): Promise<void> {
  const support = await checkSupport();
  if (!support.ok) {
    await loader.runtime().catch(showError);
    return;
  }
  const asked = new URLSearchParams(location.search).get('model');
  if (asked) await load(asked, nameOfUrl(asked));
  else if (saved.model !== null && (await isStored(saved.model)))
    await load(saved.model, nameOfUrl(saved.model));
  else if (embeddedModels[0]) await load(null, embeddedModels[0].name);
  else await showAdapter().catch(showError);
}

async function isStored(source: string): Promise<boolean> {
  const { store } = await loader.runtime();
  const models = await store.list().catch(() => []);
  return models.some((model) => model.complete && source.endsWith(nameOfUrl(model.name)));
}

async function load(source: ChosenSource, name: string): Promise<void> {
  lastLoad = { source, name };
  showError(null);
  await chat.stop();
  chat.options = { ...chat.options, model: null };
  byId('model-name').textContent = name;
  byId('welcome').hidden = false;
  showComposer();
  try {
    const { cache, contextLength } = settings;
    const model = await loader.load(source, {
      cache,
      ...(contextLength === null ? {} : { contextLength }),
    });
    await showAdapter();
    if (model) showModel(model, source);
    else byId('model-name').textContent = 'No model';
  } catch (thrown) {
    byId('model-name').textContent = 'No model';
    showError(thrown);
  }
  showChat();
}

function showModel(model: LanguageModel, source: ChosenSource): void {
  chat.options = { ...chat.options, model };
  byId('model-name').textContent = `${model.info.name} ${model.info.quantization}`;
  if (!(source instanceof File)) saveState({ model: source });
  byId('prompt').focus({ preventScroll: true });
}

async function showAdapter(): Promise<void> {
  const { info } = await loader.runtime();
  const line = byId('adapter-line');
  line.textContent = `${info.adapter}, tier ${info.tier}`;
  line.title = `Features: ${info.features.join(', ')}`;
  if (info.fallback) {
    line.append(make('span', { className: 'slow', textContent: ' (software: correct, but slow)' }));
  }
}

function applySettings(): void {
  chat.options = { ...chat.options, system: settings.system, generate: settings.generate };
}

function setUpComposer(): void {
  const form = byId<HTMLFormElement>('composer');
  const prompt = byId<HTMLTextAreaElement>('prompt');
  prompt.addEventListener('input', showComposer);
  prompt.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (byId<HTMLButtonElement>('send').disabled) return;
    const text = prompt.value.trim();
    prompt.value = '';
    ask(text);
  });
  byId('stop').addEventListener('click', () => void chat.stop());
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !document.querySelector('dialog[open]')) void chat.stop();
  });
  byId('new-chat').addEventListener('click', () => {
    chat.setMessages([]);
    saveState({ messages: [] });
    prompt.focus();
  });
}

function ask(text: string): void {
  view.followAgain();
  startedAt = performance.now();
  firstAt = 0;
  pieces = 0;
  void chat.sendMessage(text);
}

function setUpSuggestions(): void {
  byId('suggestions').replaceChildren(
    ...suggestions.map((text) => {
      const button = make('button', { type: 'button', textContent: text });
      button.addEventListener('click', () => ask(text));
      return button;
    }),
  );
}

function setUpErrors(): void {
  byId('error-dismiss').addEventListener('click', () => {
    chat.clearError();
    showError(null);
  });
  byId('error-retry').addEventListener('click', () => {
    showError(null);
    if (chat.options.model) void chat.regenerate();
    else if (lastLoad) void load(lastLoad.source, lastLoad.name);
    else void start();
  });
}

function showError(thrown: unknown): void {
  byId('error').hidden = thrown === null;
  if (thrown === null) return;
  const error = thrown as Partial<VitrailError>;
  byId('error-message').textContent = error.message ?? String(thrown);
  byId('error-fix').textContent = error.fix ?? '';
  byId('error-code').textContent = thrown instanceof VitrailError ? thrown.code : '';
}

function showChat(): void {
  const { messages, status, error } = chat.getState();
  const loaded = Boolean(chat.options.model);
  const loading = !byId('loading').hidden;
  byId('welcome').hidden = messages.length > 0 && !loading;
  byId('welcome-models').hidden = loaded || loading;
  byId('suggestions').hidden = !loaded || messages.length > 0;
  byId('new-chat').toggleAttribute('disabled', messages.length === 0);
  showComposer();
  showSpeed(status);
  if (error) showError(error);
  else if (status === 'submitted') showError(null);
  if (status !== lastStatus && (status === 'ready' || status === 'error')) {
    saveState({ messages: [...messages] });
  }
  lastStatus = status;
}

function showComposer(): void {
  const { status } = chat.getState();
  const running = status === 'submitted' || status === 'streaming';
  const prompt = byId<HTMLTextAreaElement>('prompt');
  byId('send').hidden = running;
  byId('stop').hidden = !running;
  byId<HTMLButtonElement>('send').disabled = !chat.options.model || prompt.value.trim() === '';
}

/** While an answer streams; afterwards the figures stand below it. */
function showSpeed(status: ChatState['status']): void {
  const line = byId('speed-line');
  if (status !== 'streaming') {
    line.textContent = '';
    return;
  }
  const now = performance.now();
  firstAt ||= now;
  pieces += 1;
  if (pieces < 3) return;
  const rate = formatRate(((pieces - 1) * 1000) / (now - firstAt));
  line.textContent = `${rate}, first token after ${formatDuration(firstAt - startedAt)}`;
}
