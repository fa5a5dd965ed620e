import { toVitrailError, type VitrailError } from '../../errors.ts';
import type { LiveDetection } from '../../types.ts';
import type { Detector, DetectorView, Runtime } from '../api.ts';
import { describeDetections } from '../describe-detections.ts';
import { cameraError, openCamera } from '../open-camera.ts';
import { createRuntime } from '../runtime.ts';

/** On a server there are no elements to extend; importing must work there all the same. */
const ElementBase: typeof HTMLElement = globalThis.HTMLElement ?? class {};
/** What changes faster than this is not announced. */
const announceEveryMs = 2000;

/**
 * `<vitrail-camera>`: the camera, and what is detected in it. It asks for the camera after a click, never before.
 *
 * Attributes: `src` (a detector's file; left out: the embedded one), `facing` (`user`: the front camera), `threshold`, `worker-url`.
 * Events: `vitrail-detection` (detail: a LiveDetection), `vitrail-error` (detail: the VitrailError). Parts: root, canvas, start, stop,
 * list, error.
 */
export class VitrailCameraElement extends ElementBase {
  #root: ShadowRoot | undefined;
  #runtime: Runtime | undefined;
  #detector: Detector | undefined;
  #view: DetectorView | undefined;
  #stream: MediaStream | undefined;
  /** Counts starts and stops: a start that another one overtook gives up. */
  #turn = 0;
  #announcedAt = 0;

  connectedCallback(): void {
    if (this.#root) return;
    this.#root = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.innerHTML = markup;
    this.#get('.start').addEventListener('click', () => void this.start());
    this.#get('.stop').addEventListener('click', () => this.stop());
  }

  disconnectedCallback(): void {
    // Moving an element in the document disconnects and connects it in one task: wait and see whether it is gone.
    queueMicrotask(() => {
      if (!this.isConnected) void this.#close();
    });
  }

  /** Asks for the camera and detects in it; resolves when it runs, or the failure is shown. */
  async start(): Promise<void> {
    this.stop();
    const turn = this.#turn;
    this.#showError(null);
    this.#showStatus('Starting …');
    try {
      const facing = this.getAttribute('facing') === 'user' ? 'user' : 'environment';
      const stream = await openCamera({ facing });
      if (turn !== this.#turn) return endStream(stream);
      this.#stream = stream;
      const detector = await this.#open();
      if (turn === this.#turn) await this.#show(stream, detector);
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.#fail(toVitrailError(thrown, 'vitrail-camera/start'));
    }
  }

  stop(): void {
    this.#turn += 1;
    this.#view?.stop();
    this.#view = undefined;
    if (this.#stream) endStream(this.#stream);
    this.#stream = undefined;
    if (!this.#root) return;
    this.#get('.slot').replaceChildren();
    this.#offer('.start', '.stop');
    this.#showStatus('');
  }

  async #open(): Promise<Detector> {
    const workerUrl = this.getAttribute('worker-url');
    this.#runtime ??= await createRuntime(workerUrl ? { workerUrl } : {});
    this.#detector ??= await this.#runtime.loadDetector(this.getAttribute('src') ?? undefined);
    return this.#detector;
  }

  async #show(stream: MediaStream, detector: Detector): Promise<void> {
    const canvas = document.createElement('canvas');
    canvas.part.add('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', 'The camera, with what is detected in it');
    const video = Object.assign(document.createElement('video'), {
      muted: true,
      playsInline: true,
      srcObject: stream,
    });
    this.#get('.slot').replaceChildren(video, canvas);
    const threshold = Number(this.getAttribute('threshold') || Number.NaN);
    this.#view = detector.attach(video, canvas, Number.isNaN(threshold) ? {} : { threshold });
    this.#view.on('result', (detection) => this.#onResult(detection));
    this.#view.on('error', (error) => this.#fail(error));
    this.#view.on('end', () => this.#fail(cameraError('ended')));
    this.#offer('.stop', '.start');
    await video.play();
  }

  #onResult(detection: LiveDetection): void {
    this.dispatchEvent(new CustomEvent('vitrail-detection', { detail: detection }));
    const now = performance.now();
    if (now - this.#announcedAt < announceEveryMs) return;
    this.#announcedAt = now;
    this.#showStatus(describeDetections(detection.boxes) || 'Nothing detected');
  }

  /** One button in the place of the other, with the keyboard's focus if that had it. */
  #offer(shown: string, hidden: string): void {
    const [next, previous] = [this.#get(shown), this.#get(hidden)];
    const focused = this.#root?.activeElement === previous;
    next.hidden = false;
    previous.hidden = true;
    if (focused) next.focus();
  }

  #fail(error: VitrailError): void {
    this.stop();
    this.#showError(error);
  }

  #showStatus(text: string): void {
    const list = this.#get('.list');
    if (list.textContent !== text) list.textContent = text;
  }

  #showError(error: VitrailError | null): void {
    this.#get('.error').hidden = error === null;
    if (!error) return;
    this.#get('.what').textContent = error.message;
    this.#get('.fix').textContent = error.fix;
    const init = { detail: error, bubbles: true, composed: true };
    this.dispatchEvent(new CustomEvent('vitrail-error', init));
  }

  async #close(): Promise<void> {
    this.stop();
    const runtime = this.#runtime;
    this.#runtime = undefined;
    this.#detector = undefined;
    await runtime?.dispose();
  }

  #get<Found extends HTMLElement>(selector: string): Found {
    return this.#root?.querySelector(selector) as Found;
  }
}

function endStream(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

const markup = `
<div class="root" part="root">
  <div class="slot"></div>
  <div class="error" part="error" role="alert" hidden><p class="what"></p><p class="fix"></p></div>
  <div class="bar">
    <button class="start" part="start" type="button">Start camera</button>
    <button class="stop" part="stop" type="button" hidden>Stop camera</button>
    <p class="list" part="list" aria-live="polite"></p>
  </div>
</div>`;

const styles = `
:host { display: block; font: 400 1rem/1.5 var(--vitrail-font, ui-sans-serif, system-ui, sans-serif); color-scheme: light dark; }
:host([hidden]), [hidden] { display: none !important; }
.root { overflow: hidden; border: 1px solid var(--vitrail-line, light-dark(#d9dce5, #333846)); border-radius: var(--vitrail-radius, 14px); background: var(--vitrail-surface, light-dark(#fff, #14161d)); color: var(--vitrail-text, light-dark(#181a20, #eceef4)); }
.slot { position: relative; }
canvas { display: block; inline-size: 100%; block-size: auto; }
video { position: absolute; inline-size: 1px; block-size: 1px; opacity: 0; pointer-events: none; }
.bar { display: flex; align-items: center; gap: 1rem; padding: .75rem; min-block-size: 2.6rem; }
p { margin: 0; }
.list { color: var(--vitrail-muted, light-dark(#5b6070, #a2a8b8)); font-variant-numeric: tabular-nums; }
.error { padding: .75rem 1rem 0; }
.what { color: var(--vitrail-error, light-dark(#a8231c, #ff9d94)); font-weight: 600; }
button { min-block-size: 2.6rem; padding: 0 1rem; font: inherit; font-weight: 600; border: 0; border-radius: 10px; color: var(--vitrail-on-accent, light-dark(#fff, #10131f)); background: var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); cursor: pointer; }
:focus-visible { outline: 2px solid var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); outline-offset: 2px; }
`;
