import { toVitrailError, type VitrailError } from '../../errors.ts';
import type { DetectOptions } from '../../types.ts';
import type { Detector, DetectorView, Runtime } from '../api.ts';
import { openCamera } from '../camera.ts';
import { describeDetection } from '../detection-overlay.ts';
import { createRuntime } from '../runtime.ts';

/** On a server there are no elements to extend; importing must work there all the same. */
const ElementBase: typeof HTMLElement = globalThis.HTMLElement ?? class {};

/** Sentences for screen readers come this often at most. */
const announceMs = 4000;

/**
 * `<vitrail-camera>`: vehicles, drivable area and lane lines in the camera's picture, found on the visitor's own GPU. Nothing starts
 * before the visitor's click.
 *
 * Attributes: `src` (a detector's weights; left out: the embedded one), `facing` (`environment` or `user`), `threshold` (0 to 1),
 * `worker-url`. Properties: `detector`, `video` (give it another `src` or `srcObject` and it is looked at instead of the camera).
 * Methods: `start()`, `stop()`. Events: `vitrail-result` (detail: the Detection), `vitrail-error` (detail: the VitrailError).
 * Parts: root, video, overlay, bar, start, status, error.
 */
export class VitrailCameraElement extends ElementBase {
  static readonly observedAttributes: readonly string[] = ['threshold'];
  detector: Detector | null = null;
  #root: ShadowRoot | undefined;
  #runtime: Runtime | undefined;
  #view: DetectorView | undefined;
  #stream: MediaStream | undefined;
  #starting: AbortController | undefined;
  #announced = 0;

  get video(): HTMLVideoElement {
    return this.#get<HTMLVideoElement>('video');
  }

  connectedCallback(): void {
    if (this.#root) return;
    this.#root = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.innerHTML = markup;
    this.#get('.start').addEventListener('click', () => {
      if (this.#view || this.#starting) this.stop();
      else void this.start();
    });
  }

  disconnectedCallback(): void {
    // Moving an element in the document disconnects and connects it in one task: wait and see whether it is gone.
    queueMicrotask(() => {
      if (!this.isConnected) void this.#close();
    });
  }

  attributeChangedCallback(): void {
    this.#view?.setOptions(this.#options());
  }

  /** Loads the detector, asks for the camera where the video shows nothing else, and looks. */
  async start(): Promise<void> {
    this.stop();
    const starting = new AbortController();
    this.#starting = starting;
    this.#showError(null);
    this.#say('Loading the detector …');
    this.#label('Stop');
    try {
      const { video } = this;
      if (!video.src && !video.srcObject) await this.#openCamera();
      this.detector ??= await this.#load(starting.signal);
      if (starting.signal.aborted) return;
      await video.play();
      this.#watch(this.detector);
    } catch (thrown) {
      if (starting.signal.aborted) return;
      this.stop();
      this.#showError(toVitrailError(thrown, 'vitrail-camera/start'));
    } finally {
      if (this.#starting === starting) this.#starting = undefined;
    }
  }

  /** Stops looking and lets go of the camera. */
  stop(): void {
    this.#starting?.abort();
    this.#starting = undefined;
    this.#view?.stop();
    this.#view = undefined;
    if (this.#stream) {
      for (const track of this.#stream.getTracks()) track.stop();
      this.video.srcObject = null;
      this.#stream = undefined;
    }
    this.#say('');
    this.#label('Start the camera');
  }

  async #openCamera(): Promise<void> {
    const facing = this.getAttribute('facing') === 'user' ? 'user' : 'environment';
    this.#stream = await openCamera({ facing });
    this.video.srcObject = this.#stream;
  }

  async #load(signal: AbortSignal): Promise<Detector> {
    const workerUrl = this.getAttribute('worker-url');
    this.#runtime ??= await createRuntime(workerUrl ? { workerUrl } : {});
    return this.#runtime.loadDetector(this.getAttribute('src') ?? undefined, { signal });
  }

  #watch(detector: Detector): void {
    const view = detector.attach(
      this.video,
      this.#get<HTMLCanvasElement>('canvas'),
      this.#options(),
    );
    this.#view = view;
    view.on('result', (detection) => {
      this.#fire('vitrail-result', detection);
      if (performance.now() - this.#announced < announceMs) return;
      this.#announced = performance.now();
      this.#say(describeDetection(detection));
    });
    view.on('error', (error) => {
      this.stop();
      this.#showError(error);
    });
  }

  #options(): DetectOptions {
    const threshold = this.getAttribute('threshold');
    return threshold === null ? {} : { threshold: Number(threshold) };
  }

  #say(text: string): void {
    this.#get('.status').textContent = text;
  }

  #label(text: string): void {
    this.#get('.start').textContent = text;
  }

  #showError(error: VitrailError | null): void {
    this.#get('.error').hidden = error === null;
    if (!error) return;
    this.#get('.what').textContent = error.message;
    this.#get('.fix').textContent = error.fix;
    this.#fire('vitrail-error', error);
  }

  async #close(): Promise<void> {
    this.stop();
    const runtime = this.#runtime;
    this.#runtime = undefined;
    this.detector = null;
    await runtime?.dispose();
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #get<Found extends HTMLElement>(selector: string): Found {
    return this.#root?.querySelector(selector) as Found;
  }
}

const markup = `
<div class="root" part="root">
  <div class="picture"><video part="video" muted playsinline></video><canvas part="overlay" aria-hidden="true"></canvas></div>
  <div class="error" part="error" role="alert" hidden><p class="what"></p><p class="fix"></p></div>
  <div class="bar" part="bar">
    <button class="start" part="start" type="button">Start the camera</button>
    <p class="status" part="status" role="status" aria-live="polite"></p>
  </div>
</div>`;

const styles = `
:host { display: block; font: 400 1rem/1.5 var(--vitrail-font, ui-sans-serif, system-ui, sans-serif); color-scheme: light dark; }
:host([hidden]) { display: none; }
[hidden] { display: none !important; }
.root { overflow: hidden; border: 1px solid var(--vitrail-line, light-dark(#d9dce5, #333846)); border-radius: var(--vitrail-radius, 14px); }
.picture { position: relative; aspect-ratio: 16 / 9; background: light-dark(#e9e9ee, #0b0d13); }
video, canvas { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; object-fit: contain; }
canvas { pointer-events: none; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; padding: .75rem; }
p { margin: 0; }
.status { flex: 1; min-inline-size: 12rem; color: var(--vitrail-muted, light-dark(#5b6070, #a2a8b8)); font-size: .9rem; font-variant-numeric: tabular-nums; }
.error { padding: .75rem; }
.what { color: var(--vitrail-error, light-dark(#a8231c, #ff9d94)); font-weight: 600; }
button { min-block-size: 2.6rem; padding: 0 1rem; font: inherit; font-weight: 600; color: var(--vitrail-on-accent, light-dark(#fff, #10131f)); background: var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); border: 0; border-radius: 10px; cursor: pointer; }
:focus-visible { outline: 2px solid var(--vitrail-accent, light-dark(#2b4fd8, #9db2ff)); outline-offset: 2px; }
`;
