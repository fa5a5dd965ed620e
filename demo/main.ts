import {
  type ChatState,
  checkSupport,
  createChat,
  type LanguageModel,
  type ModelStore,
} from 'vitrail';
import { Composer } from './composer.ts';
import { ConversationView } from './conversation-view.ts';
import { announce, byId, make } from './dom.ts';
import { hideError, setUpErrorBar, showError } from './error-bar.ts';
import { formatCount } from './format.ts';
import { Loader } from './loader.ts';
import { type ChosenSource, nameOfUrl, setUpModelPicker } from './model-picker.ts';
import { embeddedModels, promptsFor } from './models.ts';
import { setUpPage } from './page-links.ts';
import { readSavedState, type Settings, saveState } from './saved-state.ts';
import { setUpSettings } from './settings-panel.ts';
import { showSpeedOf } from './speed-line.ts';
import { setUpStorage } from './storage-panel.ts';
import { setUpTheme } from './theme.ts';

const saved = readSavedState();
let settings: Settings = saved.settings;
/** What was tried last, for the error's "Try again". */
let lastLoad: { source: ChosenSource; name: string } | undefined;
let lastStatus: ChatState['status'] = 'ready';

const loader = new Loader();
const chat = createChat({ onSentence: announce }, saved.messages);
const view = new ConversationView(chat);
const composer = new Composer(chat, ask);
const store = async (): Promise<ModelStore> => (await loader.runtime()).store;

setUpPage();
setUpTheme(saved.theme);
setUpModelPicker(
  (source, name) => void load(source, name),
  async () => (await store()).list(),
);
setUpStorage(store);
const settingsPanel = setUpSettings(settings, (changed) => {
  settings = changed;
  saveState({ settings });
  applySettings();
});
setUpErrorBar({ retry, dismiss: () => chat.clearError() });
setUpConversationButtons();
showSpeedOf(chat);
chat.subscribe(showChat);
addEventListener('pagehide', keepConversation);
applySettings();
showChat();
void start();

/** Opens what the address names, else what was open last if it is still stored, else the embedded model. */
async function start(): Promise<void> {
  try {
    const support = await checkSupport();
    const asked = new URLSearchParams(location.search).get('model');
    const last = saved.model;
    if (!support.ok) await loader.runtime();
    else if (asked) await load(asked, nameOfUrl(asked));
    else if (last && (await isStored(last.id))) await load(`store:${last.id}`, last.name);
    else if (embeddedModels[0]) await load(null, embeddedModels[0].name);
    else await showAdapter();
  } catch (thrown) {
    showError(thrown);
  }
}

async function isStored(id: string): Promise<boolean> {
  const models = await (await store()).list().catch(() => []);
  return models.some((model) => model.complete && model.id === id);
}

async function load(source: ChosenSource, name: string): Promise<void> {
  lastLoad = { source, name };
  hideError();
  await chat.stop();
  chat.options = { ...chat.options, model: null };
  byId('model-name').textContent = name;
  placeLoading();
  composer.show();
  void showAdapter().catch(() => {});
  try {
    const { cache, contextLength } = settings;
    const model = await loader.load(source, {
      cache,
      ...(contextLength === null ? {} : { contextLength }),
    });
    if (model) await showModel(model, source, name);
    else if (!loader.isLoading) byId('model-name').textContent = 'No model';
  } catch (thrown) {
    byId('model-name').textContent = 'No model';
    showError(thrown);
  }
  showChat();
}

/** In the middle of an empty page, above the input line of a conversation. */
function placeLoading(): void {
  const hasConversation = chat.getState().messages.length > 0;
  if (hasConversation) byId('dock').prepend(byId('loading'));
  else byId('welcome-text').after(byId('loading'));
}

async function showModel(model: LanguageModel, source: ChosenSource, name: string): Promise<void> {
  const { info } = model;
  const title = titleOf(name, info.quantization);
  chat.options = { ...chat.options, model };
  settingsPanel.showModel(info.sampling);
  byId('model-name').textContent = title;
  byId('model-button').title =
    `${info.name}: ${info.architecture}, ${formatCount(info.parameters)} parameters, context of ${info.contextLength} tokens`;
  showSuggestions(promptsFor(source));
  composer.focus();
  saveState({ model: source === null ? null : await storedEntry(source, title) });
}

/** `SmolLM2 135M Q4_K`: what the visitor chose, and how its weights are stored. */
function titleOf(name: string, quantization: string): string {
  const title = name.replace(/\.(gguf|safetensors)$/i, '');
  return title.toUpperCase().includes(quantization) ? title : `${title} ${quantization}`;
}

/** Where the store has what was just loaded, so that the next visit opens it. */
async function storedEntry(
  source: string | File,
  name: string,
): Promise<{ id: string; name: string } | null> {
  if (typeof source === 'string' && source.startsWith('store:')) {
    return { id: source.slice('store:'.length), name };
  }
  const fileName = source instanceof File ? source.name : nameOfUrl(source);
  const models = await (await store()).list().catch(() => []);
  const found = models.find((model) => model.complete && nameOfUrl(model.name) === fileName);
  return found ? { id: found.id, name } : null;
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

function ask(text: string): void {
  view.followAgain();
  void chat.sendMessage(text);
}

function retry(): void {
  if (chat.options.model) void chat.regenerate();
  else if (lastLoad) void load(lastLoad.source, lastLoad.name);
  else void start();
}

function setUpConversationButtons(): void {
  byId('new-chat').addEventListener('click', () => {
    chat.setMessages([]);
    keepConversation();
    composer.focus();
  });
}

function showSuggestions(prompts: string[]): void {
  byId('suggestions').replaceChildren(
    ...prompts.map((text) => {
      const button = make('button', { type: 'button', textContent: text });
      button.addEventListener('click', () => ask(text));
      return button;
    }),
  );
}

function showChat(): void {
  const { messages, status, error } = chat.getState();
  const loaded = Boolean(chat.options.model);
  byId('welcome').hidden = messages.length > 0;
  byId('welcome-models').hidden = loaded || loader.isLoading;
  byId('suggestions').hidden = !loaded || messages.length > 0;
  byId('new-chat').toggleAttribute('disabled', messages.length === 0);
  composer.show();
  if (error) showError(error);
  else if (status === 'submitted') hideError();
  if (status !== lastStatus && (status === 'ready' || status === 'error')) keepConversation();
  lastStatus = status;
}

function keepConversation(): void {
  saveState({ messages: [...chat.getState().messages] });
}
