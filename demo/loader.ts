import {
  createRuntime,
  type LanguageModel,
  type LoadOptions,
  type LoadPhase,
  type LoadProgress,
  type Runtime,
  type VitrailError,
} from 'vitrail';
import { announce, byId } from './dom.ts';
import { formatBytes, formatTimeLeft } from './format.ts';
import type { ChosenSource } from './model-picker.ts';
import { drawWindow } from './window-motif.ts';

const phases: Record<LoadPhase, string> = {
  download: 'Downloading',
  verify: 'Checking',
  repack: 'Preparing',
  upload: 'Moving to the GPU',
  compile: 'Compiling',
};

/** Opens the runtime once, and one model at a time in it; shows how far that is. */
export class Loader {
  readonly #light = drawWindow(byId('window') as unknown as SVGElement);
  #runtime: Promise<Runtime> | undefined;
  #model: LanguageModel | null = null;
  #running: AbortController | undefined;

  constructor() {
    this.#light(1);
    byId('load-cancel').addEventListener('click', () => this.#running?.abort());
  }

  get isLoading(): boolean {
    return this.#running !== undefined;
  }

  /** The runtime; a failed start is tried again by the next call. */
  runtime(): Promise<Runtime> {
    this.#runtime ??= createRuntime();
    this.#runtime.catch(() => {
      this.#runtime = undefined;
    });
    return this.#runtime;
  }

  /** Loads a model in place of the one before. Null when another load or the visitor's cancel came in between. */
  async load(source: ChosenSource, options: LoadOptions): Promise<LanguageModel | null> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#show(true);
    try {
      const runtime = await this.runtime();
      await this.#model?.dispose();
      this.#model = null;
      const model = await runtime.loadModel(source ?? undefined, {
        ...options,
        signal: running.signal,
        onProgress: (progress) => this.#showProgress(progress),
      });
      if (this.#running !== running) {
        await model.dispose();
        return null;
      }
      this.#model = model;
      announce(`${model.info.name} is ready.`);
      return model;
    } catch (thrown) {
      if ((thrown as VitrailError).code === 'aborted') return null;
      throw thrown;
    } finally {
      if (this.#running === running) {
        this.#running = undefined;
        this.#show(false);
      }
    }
  }

  #show(loading: boolean): void {
    byId('loading').hidden = !loading;
    byId('welcome-models').hidden = loading;
    byId('load-text').textContent = 'Opening the GPU …';
    byId('load-bar').removeAttribute('value');
    this.#light(loading ? 0 : 1);
  }

  #showProgress(progress: LoadProgress): void {
    const { loadedBytes, totalBytes } = progress;
    byId('load-text').textContent = progressText(progress);
    const bar = byId<HTMLProgressElement>('load-bar');
    if (totalBytes > 0) {
      bar.value = loadedBytes / totalBytes;
      this.#light(loadedBytes / totalBytes);
    } else {
      bar.removeAttribute('value');
    }
  }
}

/** `Downloading: 12.5 MB of 98.4 MB at 4.1 MB/s, about 21 s left`. */
function progressText(progress: LoadProgress): string {
  const { phase, loadedBytes, totalBytes, cached, bytesPerSecond, etaMs } = progress;
  const doing = cached && phase === 'download' ? 'Opening from this browser' : phases[phase];
  if (totalBytes <= 0) return `${doing} …`;
  let text = `${doing}: ${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}`;
  if (bytesPerSecond > 0) text += ` at ${formatBytes(bytesPerSecond)}/s`;
  if (etaMs > 1000 && loadedBytes < totalBytes) text += `, ${formatTimeLeft(etaMs)}`;
  return text;
}
