import type { StoredModel } from 'vitrail';
import { byId, make } from './dom.ts';
import { formatBytes } from './format.ts';
import { embeddedModels, hubModels, type ModelChoice } from './models.ts';

/** What the visitor chose: an address, a file, or the embedded model (null). */
export type ChosenSource = string | File | null;

/** Wires every way to choose a model: the dialog, the cards of the start page, the file input, and dropping a file. */
export function setUpModelPicker(choose: Choose, listStored: () => Promise<StoredModel[]>): void {
  const dialog = byId<HTMLDialogElement>('model-dialog');
  const chosen = (source: ChosenSource, name: string): void => {
    dialog.close();
    choose(source, name);
  };
  byId('model-button').addEventListener('click', async () => {
    fillModelList([], chosen);
    dialog.showModal();
    fillModelList(await listStored().catch(() => []), chosen);
  });
  byId('welcome-models').replaceChildren(
    ...[...embeddedModels, ...hubModels].slice(0, 3).map((model) => modelButton(model, chosen)),
  );
  byId('url-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const url = byId<HTMLInputElement>('model-url').value.trim();
    if (url) chosen(url, nameOfUrl(url));
  });
  const input = byId<HTMLInputElement>('model-file');
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    if (file) chosen(file, file.name);
    input.value = '';
  });
  setUpDrop(chosen);
}

/** The last part of an address. */
export function nameOfUrl(url: string): string {
  const path = url.split(/[?#]/)[0] ?? url;
  return decodeURIComponent(path.slice(path.lastIndexOf('/') + 1)) || url;
}

type Choose = (source: ChosenSource, name: string) => void;

function fillModelList(stored: StoredModel[], chosen: Choose): void {
  const sections: (Node | string)[] = [];
  const kept = stored.filter((model) => model.complete).map(storedChoice);
  if (kept.length > 0) {
    sections.push(make('h3', { textContent: 'In this browser' }), rows(kept, chosen));
  }
  if (embeddedModels.length > 0) {
    sections.push(
      make('h3', { textContent: 'Comes with this page' }),
      rows(embeddedModels, chosen),
    );
  }
  sections.push(make('h3', { textContent: 'From Hugging Face' }), rows(hubModels, chosen));
  byId('model-list').replaceChildren(...sections);
}

function storedChoice({ id, name, bytes }: StoredModel): ModelChoice {
  return { name, bytes, description: 'Opens without the network.', source: `store:${id}` };
}

function rows(models: ModelChoice[], chosen: Choose): HTMLElement {
  return make(
    'ul',
    { className: 'model-rows' },
    ...models.map((model) => make('li', {}, modelButton(model, chosen))),
  );
}

function modelButton(model: ModelChoice, chosen: Choose): HTMLButtonElement {
  const button = make(
    'button',
    { type: 'button', className: 'model-row' },
    make('strong', { textContent: model.name }),
    make('span', { className: 'size', textContent: formatBytes(model.bytes) }),
    make('span', { className: 'about', textContent: model.description }),
  );
  button.addEventListener('click', () => chosen(model.source, model.name));
  return button;
}

function setUpDrop(chosen: Choose): void {
  const hint = byId('drop-hint');
  const bringsFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) hint.hidden = true;
  });
  addEventListener('drop', (event) => {
    hint.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    chosen(file, file.name);
  });
}
