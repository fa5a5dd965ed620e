import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { BenchRow } from './measure.ts';

/** Draws prefill and decode speed over the prompt's length, both axes logarithmic. */
export function drawPlot(target: HTMLElement, rows: readonly BenchRow[]): void {
  target.replaceChildren();
  const color = (name: string): string => resolvedColor(target, name);
  const axis = {
    stroke: getComputedStyle(target).color,
    grid: { stroke: color('--plot-grid'), width: 1 },
  };
  const series = (label: string, stroke: string) => ({
    label,
    stroke,
    width: 2,
    points: { size: 8, fill: stroke },
  });
  const options: uPlot.Options = {
    width: target.clientWidth,
    height: 260,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false, distr: 3, log: 2 }, y: { distr: 3 } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(lengthLabel), label: 'prompt, tokens' },
      { ...axis, size: 64, label: 'tokens a second' },
    ],
    series: [
      {},
      series('Prefill', color('--plot-prefill')),
      series('Decode', color('--plot-decode')),
    ],
  };
  const data: uPlot.AlignedData = [
    rows.map((row) => row.promptTokens),
    rows.map((row) => row.prefillTokensPerSecond),
    rows.map((row) => row.decodeTokensPerSecond),
  ];
  new uPlot(options, data, target);
}

/** The canvas needs a plain color; the property may hold one for each theme. */
function resolvedColor(target: HTMLElement, property: string): string {
  target.style.color = `var(${property})`;
  const { color } = getComputedStyle(target);
  target.style.color = '';
  return color;
}

function lengthLabel(tokens: number | null): string {
  return tokens === null ? '' : tokens.toLocaleString('en');
}
