import { type Source, VitrailError } from 'vitrail';
import { type BenchReport, type BenchRow, plans, runBench } from './bench/measure.ts';
import { drawPlot } from './bench/plot.ts';
import { announce, byId, make } from './dom.ts';
import { formatBytes, formatDuration } from './format.ts';
import { setUpPage } from './page-links.ts';

let running: AbortController | null = null;
let rows: BenchRow[] = [];
let report: BenchReport | null = null;

setUpPage();
byId('bench-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void start();
});
byId('cancel').addEventListener('click', () => running?.abort());
byId('copy').addEventListener('click', () => void copyResult());
new ResizeObserver(() => redraw()).observe(byId('plot'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw());

async function start(): Promise<void> {
  if (running) return;
  running = new AbortController();
  rows = [];
  report = null;
  showRunning(true);
  clearResults();
  try {
    report = await runBench(chosenSource(), chosenPlan(), running.signal, (progress) => {
      byId('progress-text').textContent = `${progress.doing} …`;
      byId<HTMLProgressElement>('progress-bar').value = progress.done;
      if (progress.row) showRow(progress.row);
    });
    showReport(report);
    announce('The bench has finished.');
  } catch (thrown) {
    showFailure(thrown, running.signal.aborted);
  } finally {
    running = null;
    showRunning(false);
  }
}

function chosenSource(): Source | undefined {
  const file = byId<HTMLInputElement>('model-file').files?.[0];
  const address = byId<HTMLInputElement>('model-url').value.trim();
  return file ?? (address || undefined);
}

function chosenPlan() {
  return byId<HTMLInputElement>('plan-full').checked ? plans.full : plans.quick;
}

function showRunning(isRunning: boolean): void {
  byId('start').hidden = isRunning;
  byId('progress').hidden = !isRunning;
  byId<HTMLFieldSetElement>('choices').disabled = isRunning;
  // The button that had the focus is gone.
  byId(isRunning ? 'cancel' : 'start').focus();
}

function clearResults(): void {
  byId('failure').hidden = true;
  byId('results').hidden = true;
  byId('speeds').replaceChildren();
  byId('facts').replaceChildren();
  byId('kernels').replaceChildren();
  for (const id of ['facts', 'kernel-part', 'copy']) byId(id).hidden = true;
}

function showRow(row: BenchRow): void {
  rows.push(row);
  byId('results').hidden = false;
  byId('speeds').append(
    make(
      'tr',
      {},
      make('th', { scope: 'row', textContent: row.promptTokens.toLocaleString('en') }),
      make('td', { textContent: formatDuration(row.ttftMs) }),
      make('td', { textContent: formatSpeed(row.prefillTokensPerSecond) }),
      make('td', { textContent: formatSpeed(row.decodeTokensPerSecond) }),
    ),
  );
  redraw();
}

function showReport(result: BenchReport): void {
  const { firstLoad, callsPerToken } = result;
  const facts: [string, string][] = [
    ['GPU', `${result.adapter}, tier ${result.tier}${result.fallback ? ', software' : ''}`],
    ['Model', `${result.model}, ${result.quantization}, ${formatBytes(result.weightBytes)}`],
    [firstLoad.cached ? 'First load (was stored)' : 'Cold load', formatDuration(firstLoad.ms)],
    ['Warm load', formatDuration(result.warmLoadMs)],
    ['GPU memory', formatBytes(result.gpuBytes)],
    ['Dispatches a token', `${callsPerToken.dispatches} in ${callsPerToken.submits} submit`],
    ['Copy bandwidth', `${formatBytes(result.copyBytesPerSecond)}/s`],
  ];
  byId('facts').replaceChildren(
    ...facts.map(([name, value]) =>
      make('div', {}, make('dt', { textContent: name }), make('dd', { textContent: value })),
    ),
  );
  byId('facts').hidden = false;
  byId('copy').hidden = false;
  showKernels(result);
}

function showKernels({ kernels, profiledTokens, copyBytesPerSecond }: BenchReport): void {
  byId('kernel-part').hidden = kernels.length === 0;
  const total = kernels.reduce((sum, { totalMs }) => sum + totalMs, 0);
  byId('kernels').replaceChildren(
    ...kernels.map(({ kernel, dispatches, totalMs, boundBytes }) => {
      const bytesPerSecond = totalMs > 0 ? (1000 * boundBytes) / totalMs : 0;
      const name = make('th', { scope: 'row', className: 'kernel' }, kernelName(kernel));
      return make(
        'tr',
        {},
        name,
        make('td', { textContent: (dispatches / profiledTokens).toFixed(0) }),
        make('td', { textContent: formatShort(totalMs / profiledTokens) }),
        make('td', { textContent: percent(totalMs / total) }),
        make('td', { textContent: percent(bytesPerSecond / copyBytesPerSecond) }),
      );
    }),
  );
}

/** `matvec/subgroup.q4_0`, and its constants in a line below. */
function kernelName(kernel: string): HTMLElement {
  const [name = '', constants = ''] = kernel.replace(']', '').split('[');
  const small = make('span', { className: 'constants' }, constants.replaceAll(',', ', '));
  // Long names may break behind these.
  const parts = name.split(/(?<=[./])/).flatMap((part) => [part, make('wbr')]);
  return make('code', {}, ...parts, small);
}

function showFailure(thrown: unknown, wasCancelled: boolean): void {
  if (wasCancelled) {
    announce('The bench was cancelled.');
    return;
  }
  const error = thrown as Error;
  byId('failure-message').textContent = error.message;
  byId('failure-fix').textContent = thrown instanceof VitrailError ? thrown.fix : '';
  byId('failure').hidden = false;
}

async function copyResult(): Promise<void> {
  const line = JSON.stringify(report);
  const label = byId('copy-label');
  try {
    await navigator.clipboard.writeText(line);
    label.textContent = 'Copied';
    announce('The result was copied.');
  } catch {
    // No permission: the visitor can still copy it by hand.
    const text = byId<HTMLTextAreaElement>('result-text');
    text.value = line;
    text.hidden = false;
    text.select();
  }
  setTimeout(() => {
    label.textContent = 'Copy result';
  }, 2000);
}

function redraw(): void {
  const isDrawn = rows.length > 1;
  byId('plot-part').hidden = !isDrawn;
  if (isDrawn) drawPlot(byId('plot'), rows);
}

/** `12.4 µs`, `3.2 ms`. */
function formatShort(ms: number): string {
  return ms < 1 ? `${(1000 * ms).toFixed(1)} µs` : `${ms.toFixed(1)} ms`;
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %` : '–';
}

function formatSpeed(tokensPerSecond: number): string {
  const digits = tokensPerSecond < 20 ? 1 : 0;
  return tokensPerSecond.toLocaleString('en', { maximumFractionDigits: digits });
}
