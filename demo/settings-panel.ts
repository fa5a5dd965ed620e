import type { SamplingDefaults } from 'vitrail';
import { byId, make } from './dom.ts';
import { defaultSettings, type Settings } from './saved-state.ts';

interface Slider {
  name: 'temperature' | 'topP' | 'minP' | 'repetitionPenalty';
  label: string;
  hint: string;
  max: number;
  min: number;
  step: number;
}

const sliders: Slider[] = [
  {
    name: 'temperature',
    label: 'Temperature',
    hint: 'Higher is more surprising; 0 always takes the likeliest token.',
    min: 0,
    max: 2,
    step: 0.05,
  },
  {
    name: 'topP',
    label: 'Top-p',
    hint: 'Keeps the likeliest tokens up to this share.',
    min: 0.05,
    max: 1,
    step: 0.05,
  },
  {
    name: 'minP',
    label: 'Min-p',
    hint: 'Drops tokens below this share of the likeliest.',
    min: 0,
    max: 0.5,
    step: 0.01,
  },
  {
    name: 'repetitionPenalty',
    label: 'Repetition penalty',
    hint: '1 is off.',
    min: 1,
    max: 2,
    step: 0.05,
  },
];

interface NumberField {
  name: 'topK' | 'maxTokens' | 'seed' | 'contextLength';
  label: string;
  hint: string;
  min: number;
  placeholder: string;
}

/** In place of a value that no one has said yet. */
const modelsOwn = 'The model’s own';

const numbers: NumberField[] = [
  { name: 'topK', label: 'Top-k', hint: '0 keeps all.', min: 0, placeholder: modelsOwn },
  {
    name: 'maxTokens',
    label: 'Longest answer',
    hint: 'In tokens.',
    min: 1,
    placeholder: 'Unlimited',
  },
  { name: 'seed', label: 'Seed', hint: 'Repeats an answer.', min: 0, placeholder: 'Random' },
  {
    name: 'contextLength',
    label: 'Context',
    hint: 'Tokens; for the next load.',
    min: 16,
    placeholder: 'Automatic',
  },
];

export interface SettingsPanel {
  /** Sliders that the visitor left alone show what the model recommends. */
  showModel(sampling: SamplingDefaults): void;
}

/** The settings dialog. Every change is reported at once; there is nothing to confirm. */
export function setUpSettings(
  initial: Settings,
  onChange: (settings: Settings) => void,
): SettingsPanel {
  let sampling: SamplingDefaults | undefined;
  let chosen = chosenSliders(initial);
  const dialog = byId<HTMLDialogElement>('settings-dialog');
  const form = byId<HTMLFormElement>('settings-form');
  byId('settings-button').addEventListener('click', () => dialog.showModal());
  buildForm(form);
  fillForm(form, initial, sampling);
  form.addEventListener('input', ({ target }) => {
    if (target instanceof HTMLInputElement) {
      chosen.add(target.name);
      if (target.type === 'range') {
        control<HTMLOutputElement>(form, `${target.name}-value`).value = target.value;
      }
    }
    if (form.checkValidity()) onChange(readForm(form, chosen));
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  byId('settings-reset').addEventListener('click', () => {
    chosen = chosenSliders(defaultSettings);
    fillForm(form, defaultSettings, sampling);
    onChange(defaultSettings);
  });
  return {
    showModel(recommended) {
      sampling = recommended;
      fillForm(form, readForm(form, chosen), sampling);
    },
  };
}

/** Names of the sliders whose values the visitor has chosen. */
function chosenSliders({ generate }: Settings): Set<string> {
  return new Set(sliders.map(({ name }) => name).filter((name) => generate[name] !== undefined));
}

function buildForm(form: HTMLFormElement): void {
  const system = make('textarea', { id: 'set-system', name: 'system', rows: 4 });
  const cache = make('input', { id: 'set-cache', name: 'cache', type: 'checkbox' });
  form.replaceChildren(
    field('set-system', 'System prompt', '', system),
    ...sliders.map(sliderField),
    make('div', { className: 'pair' }, ...numbers.map(numberField)),
    make(
      'label',
      { className: 'check' },
      cache,
      make('span', {}, 'Keep models in this browser, so that they open without the network'),
    ),
    make('button', {
      id: 'settings-reset',
      type: 'button',
      className: 'button quiet',
      textContent: 'Restore defaults',
    }),
  );
}

function field(id: string, label: string, hint: string, control: HTMLElement): HTMLElement {
  const parts: Node[] = [make('label', { htmlFor: id, textContent: label }), control];
  if (hint) {
    const hintId = `${id}-hint`;
    control.setAttribute('aria-describedby', hintId);
    parts.push(make('span', { id: hintId, className: 'hint', textContent: hint }));
  }
  return make('div', { className: 'field' }, ...parts);
}

function sliderField({ name, label, hint, min, max, step }: Slider): HTMLElement {
  const id = `set-${name}`;
  const input = make('input', { id, name, type: 'range' });
  Object.assign(input, { min: String(min), max: String(max), step: String(step) });
  input.setAttribute('aria-describedby', `${id}-hint`);
  const output = make('output', { name: `${name}-value` });
  output.htmlFor.add(id);
  return make(
    'div',
    { className: 'field' },
    make(
      'div',
      { className: 'slider-head' },
      make('label', { className: 'field-label', htmlFor: id, textContent: label }),
      output,
    ),
    input,
    make('span', { id: `${id}-hint`, className: 'hint', textContent: hint }),
  );
}

function numberField({ name, label, hint, min, placeholder }: NumberField): HTMLElement {
  const id = `set-${name}`;
  const input = make('input', { id, name, type: 'number', placeholder, inputMode: 'numeric' });
  Object.assign(input, { min: String(min), step: '1' });
  return field(id, label, hint, input);
}

/** What is not chosen is as the model recommends, as soon as there is one. */
function fillForm(form: HTMLFormElement, settings: Settings, sampling?: SamplingDefaults): void {
  control<HTMLTextAreaElement>(form, 'system').value = settings.system;
  control(form, 'cache').checked = settings.cache;
  for (const { name } of sliders) {
    const value = settings.generate[name] ?? sampling?.[name];
    control(form, name).value = String(value ?? '');
    control<HTMLOutputElement>(form, `${name}-value`).value = String(value ?? modelsOwn);
  }
  for (const { name } of numbers) {
    const value = name === 'contextLength' ? settings.contextLength : settings.generate[name];
    control(form, name).value = value === null || value === undefined ? '' : String(value);
  }
  control(form, 'topK').placeholder = sampling ? String(sampling.topK) : modelsOwn;
}

function readForm(form: HTMLFormElement, chosen: ReadonlySet<string>): Settings {
  const generate: Settings['generate'] = {};
  for (const { name } of sliders) {
    if (chosen.has(name)) generate[name] = Number(control(form, name).value);
  }
  let contextLength: number | null = null;
  for (const { name } of numbers) {
    const text = control(form, name).value;
    if (text === '') continue;
    if (name === 'contextLength') contextLength = Number(text);
    else generate[name] = Number(text);
  }
  return {
    system: control<HTMLTextAreaElement>(form, 'system').value,
    generate,
    contextLength,
    cache: control(form, 'cache').checked,
  };
}

function control<Found = HTMLInputElement>(form: HTMLFormElement, name: string): Found {
  return form.elements.namedItem(name) as Found;
}
