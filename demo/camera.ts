import {
  createRuntime,
  type Detection,
  type Detector,
  type DetectorView,
  describeDetection,
  drawDetection,
  openCamera,
  type Runtime,
  VitrailError,
} from 'vitrail';
import { byId } from './dom.ts';
import sampleUrl from './sample-road.jpg';

const video = byId<HTMLVideoElement>('video');
const image = byId<HTMLImageElement>('image');
const overlay = byId<HTMLCanvasElement>('overlay');

let loading: Promise<{ runtime: Runtime; detector: Detector }> | undefined;
let view: DetectorView | undefined;
let facing: 'environment' | 'user' = 'environment';
let last: { detection: Detection; at: number } | undefined;
/** Sentences for screen readers come this often at most. */
const announceMs = 4000;
let announced = 0;

function options(): { threshold: number; overlap: number } {
  return {
    threshold: byId<HTMLInputElement>('threshold').valueAsNumber,
    overlap: byId<HTMLInputElement>('overlap').valueAsNumber,
  };
}

/** Loads the detector once; another try after a failure. */
async function open(): Promise<{ runtime: Runtime; detector: Detector }> {
  loading ??= (async () => {
    const runtime = await createRuntime();
    const { adapter, tier, fallback } = runtime.info;
    byId('adapter').textContent = `${adapter}, tier ${tier}${fallback ? ', software' : ''}`;
    const source = new URLSearchParams(location.search).get('model') ?? undefined;
    return { runtime, detector: await runtime.loadDetector(source) };
  })();
  loading.catch(() => {
    loading = undefined;
  });
  return loading;
}

/** Runs something that shows a picture, with the page saying what it does and what went wrong. */
async function look(text: string, show: () => Promise<void>): Promise<void> {
  stop();
  showError(null);
  byId('welcome').hidden = true;
  busy(text);
  try {
    await show();
  } catch (thrown) {
    stop();
    byId('welcome').hidden = false;
    showError(thrown);
  } finally {
    busy(null);
  }
}

async function watch(text: string, start: () => Promise<void>): Promise<void> {
  await look(text, async () => {
    await start();
    video.hidden = false;
    image.hidden = true;
    const { detector } = await open();
    await video.play();
    view = detector.attach(video, overlay, options());
    view.on('result', report);
    view.on('error', (error) => {
      stop();
      showError(error);
    });
    byId<HTMLButtonElement>('stop').disabled = false;
  });
}

function startCamera(): Promise<void> {
  return watch('Starting the camera …', async () => {
    video.removeAttribute('src');
    video.srcObject = await openCamera({ facing });
    byId<HTMLButtonElement>('flip').disabled = false;
  });
}

function showPicture(url: string): Promise<void> {
  return look('Looking at the picture …', async () => {
    image.src = url;
    await image.decode();
    video.hidden = true;
    image.hidden = false;
    const { detector } = await open();
    const detection = await detector.detect(image, options());
    drawDetection(overlay, detection);
    report(detection);
  });
}

function openFile(file: File | undefined): void {
  if (!file) return;
  const url = URL.createObjectURL(file);
  if (file.type.startsWith('video/')) {
    void watch('Opening the video …', async () => {
      video.srcObject = null;
      video.src = url;
    });
  } else void showPicture(url);
}

function stop(): void {
  view?.stop();
  view = undefined;
  last = undefined;
  if (video.srcObject instanceof MediaStream) {
    for (const track of video.srcObject.getTracks()) track.stop();
    video.srcObject = null;
    video.hidden = true;
    byId('welcome').hidden = false;
  }
  video.pause();
  overlay.getContext('2d')?.clearRect(0, 0, overlay.width, overlay.height);
  byId<HTMLButtonElement>('stop').disabled = true;
  byId<HTMLButtonElement>('flip').disabled = true;
}

function report(detection: Detection): void {
  const now = performance.now();
  const { preprocessMs, inferMs, postMs } = detection.timing;
  byId('prepare').textContent = milliseconds(preprocessMs);
  byId('infer').textContent = milliseconds(inferMs);
  byId('post').textContent = milliseconds(postMs);
  byId('fps').textContent = last && view ? (1000 / (now - last.at)).toFixed(1) : '–';
  last = { detection, at: now };
  byId<HTMLButtonElement>('save').disabled = false;
  const items = detection.boxes.slice(0, 8).map(({ label, score, width, height }) => {
    const item = document.createElement('li');
    item.textContent = `${label} ${Math.round(score * 100)} %, ${Math.round(width)} × ${Math.round(height)}`;
    return item;
  });
  byId('boxes').replaceChildren(...items);
  if (view && now - announced < announceMs) return;
  announced = now;
  byId('seen').textContent = describeDetection(detection);
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** The frame with what was found in it, as a PNG. */
async function save(): Promise<void> {
  const shown = video.hidden ? image : video;
  const picture = new OffscreenCanvas(overlay.width, overlay.height);
  const context = picture.getContext('2d');
  context?.drawImage(shown, 0, 0, picture.width, picture.height);
  context?.drawImage(overlay, 0, 0);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await picture.convertToBlob());
  link.download = 'road.png';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function busy(text: string | null): void {
  byId('busy').hidden = text === null;
  byId('busy').textContent = text ?? '';
}

function showError(thrown: unknown): void {
  byId('error').hidden = thrown === null;
  if (thrown === null) return;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  byId('error-message').textContent = error.message;
  byId('error-fix').textContent = error instanceof VitrailError ? error.fix : '';
}

function setUpSlider(id: string): void {
  const slider = byId<HTMLInputElement>(id);
  slider.addEventListener('input', () => {
    byId(`${id}-value`).textContent = `${Math.round(slider.valueAsNumber * 100)} %`;
    view?.setOptions(options());
  });
  // A picture is looked at once: again, when the visitor lets go.
  slider.addEventListener('change', () => {
    if (!image.hidden) void showPicture(image.src);
  });
}

function setUpDrop(): void {
  const hint = byId('drop-hint');
  addEventListener('dragover', (event) => {
    event.preventDefault();
    hint.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) hint.hidden = true;
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    hint.hidden = true;
    openFile(event.dataTransfer?.files[0]);
  });
}

for (const id of ['camera', 'camera-again']) {
  byId(id).addEventListener('click', () => void startCamera());
}
for (const id of ['sample', 'sample-again']) {
  byId(id).addEventListener('click', () => void showPicture(sampleUrl));
}
byId('stop').addEventListener('click', stop);
byId('flip').addEventListener('click', () => {
  facing = facing === 'environment' ? 'user' : 'environment';
  void startCamera();
});
byId('save').addEventListener('click', () => save().catch(showError));
const input = byId<HTMLInputElement>('file');
input.addEventListener('change', () => openFile(input.files?.[0]));
setUpSlider('threshold');
setUpSlider('overlap');
setUpDrop();
