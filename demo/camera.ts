import {
  createRuntime,
  type Detector,
  type DetectorView,
  describeDetections,
  type LiveDetection,
  openCamera,
  type Runtime,
} from 'vitrail';
import { announce, byId, make } from './dom.ts';
import { setUpDrop } from './file-drop.ts';
import { showNotice } from './notice.ts';
import { setUpPage } from './page-links.ts';
import { sampleRoad } from './sample-road.ts';

type Shown = HTMLVideoElement | HTMLImageElement;

let runtime: Promise<Runtime> | undefined;
let loaded: Promise<Detector> | undefined;
let view: DetectorView | undefined;
let closeSource: () => void = () => {};
/** Counts what was opened: what another overtook gives up. */
let turn = 0;
let facing: 'environment' | 'user' = 'environment';

/** Opens a source in place of what is shown. */
async function open(openSource: () => Promise<{ shown: Shown; close: () => void }>): Promise<void> {
  stop();
  const mine = turn;
  byId('welcome').hidden = true;
  showNotice(null);
  showStatus('Starting …');
  try {
    const { shown, close } = await openSource();
    if (mine !== turn) return close();
    closeSource = close;
    loaded ??= load(new URLSearchParams(location.search).get('src') ?? undefined);
    const detector = await loaded;
    if (mine === turn) await attach(detector, shown);
  } catch (thrown) {
    if (mine === turn) fail(thrown);
  }
}

/** A detector from weights, or the one that comes along. */
async function load(weights: string | File | undefined): Promise<Detector> {
  try {
    runtime ??= createRuntime().catch((thrown) => {
      runtime = undefined;
      throw thrown;
    });
    const opened = await runtime;
    byId('gpu').textContent = `${opened.info.adapter}, tier ${opened.info.tier}`;
    const detector = await opened.loadDetector(weights);
    const { name, parameters } = detector.info;
    byId('weights').textContent = `${name}, ${(parameters / 1e6).toFixed(1)} million weights`;
    return detector;
  } catch (thrown) {
    loaded = undefined;
    throw thrown;
  }
}

/** Puts weights of the visitor's in place of what is loaded; what cannot be loaded leaves it as it was. */
async function openWeights(file: File): Promise<void> {
  stop();
  const mine = turn;
  showNotice(null);
  showStatus(`Loading ${file.name} …`);
  const former = loaded;
  try {
    loaded = load(file);
    await loaded;
    if (mine === turn) showStatus('');
    await (await former)?.dispose();
  } catch (thrown) {
    loaded = former;
    if (mine === turn) fail(thrown);
  }
}

async function attach(detector: Detector, shown: Shown): Promise<void> {
  const canvas = make('canvas', {
    role: 'img',
    ariaLabel: 'The picture and what is detected in it',
  });
  shown.className = 'source';
  byId('slot').replaceChildren(shown, canvas);
  const attached = detector.attach(shown, canvas, options());
  view = attached;
  showStatus('Preparing the GPU; the first frame takes longest …');
  attached.on('result', showResult);
  attached.on('error', fail);
  attached.on('end', () => showStatus('The stream has ended.'));
  for (const id of ['stop', 'snapshot']) byId<HTMLButtonElement>(id).disabled = false;
  if (shown instanceof HTMLVideoElement) await shown.play();
}

function stop(): void {
  turn += 1;
  view?.stop();
  view = undefined;
  closeSource();
  closeSource = () => {};
  byId('slot').replaceChildren();
  byId('boxes').replaceChildren();
  byId('welcome').hidden = false;
  byId('switch').hidden = true;
  for (const id of ['stop', 'snapshot']) byId<HTMLButtonElement>(id).disabled = true;
  showStatus('');
}

async function cameraSource(): Promise<{ shown: Shown; close: () => void }> {
  const stream = await openCamera({ facing });
  byId('switch').hidden = false;
  const close = (): void => {
    for (const track of stream.getTracks()) track.stop();
  };
  return { shown: videoOf({ srcObject: stream }), close };
}

async function fileSource(file: Blob): Promise<{ shown: Shown; close: () => void }> {
  const src = URL.createObjectURL(file);
  const close = (): void => URL.revokeObjectURL(src);
  if (!file.type.startsWith('image/')) return { shown: videoOf({ src, loop: true }), close };
  const shown = make('img', { src, alt: '' });
  await shown.decode();
  return { shown, close };
}

function videoOf(properties: Partial<HTMLVideoElement>): HTMLVideoElement {
  return make('video', { muted: true, playsInline: true, ...properties });
}

/** Frames of the last second, and what was shown and said of them when. */
const arrivals: number[] = [];
let toldAt = 0;

function showResult({ boxes, way, timing }: LiveDetection): void {
  const now = performance.now();
  arrivals.push(now);
  while (now - (arrivals[0] ?? now) > 1000) arrivals.shift();
  if (now - toldAt < 500) return;
  toldAt = now;
  showStatus('');
  byId('fps').textContent = String(arrivals.length);
  const came = way === 'copy' ? 'copied' : 'imported';
  byId('pre').textContent = `${timing.preprocessMs.toFixed(1)} ms, ${came}`;
  byId('infer').textContent = `${timing.inferMs.toFixed(1)} ms`;
  byId('post').textContent = `${timing.postMs.toFixed(1)} ms`;
  byId('boxes').replaceChildren(
    ...boxes
      .slice(0, 8)
      .map(({ label, score }) => make('li', {}, `${label} ${(score * 100).toFixed(0)} %`)),
  );
  const said = describeDetections(boxes) || 'Nothing detected';
  if (byId('announcer').textContent !== said) announce(said);
}

function showStatus(text: string): void {
  byId('status').hidden = !text;
  byId('status').textContent = text;
}

function fail(thrown: unknown): void {
  stop();
  showNotice(thrown);
}

function savePicture(): void {
  const canvas = byId('slot').querySelector('canvas');
  canvas?.toBlob((blob) => {
    if (!blob) return;
    const link = make('a', { href: URL.createObjectURL(blob), download: 'road.png' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function options(): { threshold: number; overlap: number } {
  const value = (id: string): number => {
    const { value } = byId<HTMLInputElement>(id);
    byId(`${id}-value`).textContent = Number(value).toFixed(2);
    return Number(value);
  };
  return { threshold: value('threshold'), overlap: value('overlap') };
}

setUpPage();
for (const id of ['threshold', 'overlap'])
  byId(id).addEventListener('input', () => view?.setOptions(options()) ?? options());
byId('camera').addEventListener('click', () => void open(cameraSource));
byId('sample').addEventListener('click', () => void open(async () => sampleRoad()));
byId('stop').addEventListener('click', stop);
byId('snapshot').addEventListener('click', savePicture);
byId('switch').addEventListener('click', () => {
  facing = facing === 'user' ? 'environment' : 'user';
  void open(cameraSource);
});
const openFile = (file: File | undefined): void => {
  if (file?.name.endsWith('.safetensors')) void openWeights(file);
  else if (file) void open(() => fileSource(file));
};
for (const id of ['file', 'weights-file']) {
  const input = byId<HTMLInputElement>(id);
  input.addEventListener('change', () => {
    openFile(input.files?.[0]);
    // The same file again is a change too.
    input.value = '';
  });
}
setUpDrop(openFile);
