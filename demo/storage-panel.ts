import { type ModelStore, type StoredModel, VitrailError } from 'vitrail';
import { announce, byId, make } from './dom.ts';
import { formatBytes } from './format.ts';

/** The storage dialog: what is kept in this browser, and what to do with it. `store` waits for the runtime. */
export function setUpStorage(store: () => Promise<ModelStore>): void {
  const dialog = byId<HTMLDialogElement>('storage-dialog');
  byId('storage-button').addEventListener('click', () => {
    dialog.showModal();
    void show(store);
  });
}

async function show(store: () => Promise<ModelStore>): Promise<void> {
  const body = byId('storage-body');
  try {
    const opened = await store();
    const [models, estimate, persisted] = await Promise.all([
      opened.list(),
      opened.estimate(),
      navigator.storage?.persisted?.() ?? false,
    ]);
    const refresh = (): Promise<void> => show(store);
    body.replaceChildren(
      quota(estimate),
      persistence(opened, persisted, refresh),
      make('div', {}, make('h3', { textContent: 'Models' }), modelList(opened, models, refresh)),
    );
  } catch (thrown) {
    const fix = thrown instanceof VitrailError ? thrown.fix : '';
    body.replaceChildren(make('p', { textContent: `${(thrown as Error).message} ${fix}` }));
  }
}

function quota({
  usageBytes,
  quotaBytes,
}: {
  usageBytes: number;
  quotaBytes: number;
}): HTMLElement {
  const bar = make('progress', { max: Math.max(1, quotaBytes), value: usageBytes });
  bar.setAttribute('aria-label', 'Storage in use');
  const text = `${formatBytes(usageBytes)} of ${formatBytes(quotaBytes)} that this browser allows`;
  return make(
    'div',
    { className: 'quota' },
    bar,
    make('p', { className: 'muted figures', textContent: text }),
  );
}

function persistence(
  store: ModelStore,
  persisted: boolean,
  refresh: () => Promise<void>,
): HTMLElement {
  if (persisted) {
    return make('p', {
      className: 'muted',
      textContent: 'The browser keeps these files until you delete them.',
    });
  }
  const button = make('button', {
    type: 'button',
    className: 'button quiet',
    textContent: 'Keep for good',
  });
  const note = make('span', {
    className: 'hint',
    textContent: 'The browser may clear these files when space runs short.',
  });
  button.addEventListener('click', async () => {
    if (await store.persist()) await refresh();
    else
      note.textContent =
        'The browser declined for now. It often agrees once the page is bookmarked or used more.';
  });
  return make('div', { className: 'field' }, note, make('div', {}, button));
}

function modelList(
  store: ModelStore,
  models: StoredModel[],
  refresh: () => Promise<void>,
): HTMLElement {
  if (models.length === 0)
    return make('p', { className: 'muted', textContent: 'No models are stored yet.' });
  return make(
    'ul',
    { className: 'stored' },
    ...models.map((model) => storedModel(store, model, refresh)),
  );
}

function storedModel(
  store: ModelStore,
  model: StoredModel,
  refresh: () => Promise<void>,
): HTMLElement {
  const state = make('p', { className: 'about figures', textContent: storedText(model) });
  const verify = make('button', {
    type: 'button',
    className: 'button quiet',
    textContent: 'Verify',
  });
  verify.setAttribute('aria-label', `Verify ${model.name}`);
  verify.addEventListener('click', () =>
    run(verify, state, async () => {
      const intact = await store.verify(model.id);
      return intact
        ? 'Every byte is as it was downloaded.'
        : 'Damaged. It repairs itself when it is loaded again.';
    }),
  );
  const remove = make('button', {
    type: 'button',
    className: 'button quiet danger',
    textContent: 'Delete',
  });
  remove.setAttribute('aria-label', `Delete ${model.name}`);
  remove.addEventListener('click', () =>
    run(remove, state, async () => {
      await store.delete(model.id);
      announce(`${model.name} is deleted.`);
      await refresh();
      return '';
    }),
  );
  return make(
    'li',
    {},
    make('strong', { textContent: model.name }),
    state,
    make('div', { className: 'row-actions' }, verify, remove),
  );
}

async function run(
  button: HTMLButtonElement,
  state: HTMLElement,
  action: () => Promise<string>,
): Promise<void> {
  button.disabled = true;
  state.textContent = 'Working …';
  try {
    state.textContent = await action();
    announce(state.textContent);
  } catch (thrown) {
    state.textContent = (thrown as Error).message;
  } finally {
    button.disabled = false;
  }
}

function storedText(model: StoredModel): string {
  const size = formatBytes(model.bytes);
  if (!model.complete) return `${size}, unfinished: loading it again resumes the download`;
  return `${size}, stored ${new Date(model.storedAt).toLocaleDateString()}`;
}
