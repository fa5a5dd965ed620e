/**
 * `npm run bench:plot`: draws decode speed over the runs of bench/history/*.jsonl to docs/performance.svg, and fills the tables of
 * docs/performance.md with the newest figures. What was never measured is left out.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const historyFolder = join(root, 'bench/history');
const page = join(root, 'docs/performance.md');
const [begin, end] = ['<!-- figures: begin -->', '<!-- figures: end -->'];

const lines = readHistory();
writeFileSync(join(root, 'docs/performance.svg'), drawing(speedSeries(lines)));
const text = readFileSync(page, 'utf8');
const before = text.slice(0, text.indexOf(begin) + begin.length);
const after = text.slice(text.indexOf(end));
writeFileSync(page, `${before}\n\n${tables(lines)}\n\n${after}`);

/** All lines with speeds, files in order of name, lines in order of time. */
function readHistory() {
  const files = readdirSync(historyFolder).filter((name) => name.endsWith('.jsonl'));
  return files.sort().flatMap((name) =>
    readFileSync(join(historyFolder, name), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter(({ kind }) => kind === 'bench' || kind === 'peers'),
  );
}

/** Figures by engine of either kind of line: `{ promptTokens, prefillTokensPerSecond, decodeTokensPerSecond }`. */
function enginesOf(line) {
  if (line.kind === 'bench') return { vitrail: line.results };
  return Object.fromEntries(
    Object.entries(line.engines).map(([name, { rows }]) => [name, rows ?? []]),
  );
}

/** Decode speed at 128 tokens by adapter, model, tier and engine, over the runs. */
function speedSeries(lines) {
  const series = new Map();
  lines.forEach((line, run) => {
    for (const [engine, rows] of Object.entries(enginesOf(line))) {
      const row = rows.find(({ promptTokens }) => promptTokens === 128);
      if (!row) continue;
      const tier = line.tier ? `, tier ${line.tier}` : '';
      const name = `${line.adapter}, ${line.model}${tier}: ${engine}`;
      const points = series.get(name) ?? [];
      series.set(name, [...points, { run, speed: row.decodeTokensPerSecond[0] }]);
    }
  });
  return { series, runs: lines.map(({ commit }) => commit) };
}

function drawing({ series, runs }) {
  const [width, height, left, right, top] = [760, 320, 56, 16, 16];
  const bottom = height - 34;
  const names = [...series.keys()];
  const speeds = [...series.values()].flat().map(({ speed }) => speed);
  const lowest = Math.floor(Math.log10(Math.min(...speeds, 100)));
  const highest = Math.ceil(Math.log10(Math.max(...speeds, 1000)));
  const x = (run) => left + ((run + 0.5) / Math.max(1, runs.length)) * (width - left - right);
  const y = (speed) =>
    bottom - ((Math.log10(speed) - lowest) / (highest - lowest)) * (bottom - top);
  const hues = names.map((_, i) => Math.round((i * 137.5 + 222) % 360));
  const grid = Array.from({ length: highest - lowest + 1 }, (_, i) => 10 ** (lowest + i)).map(
    (value) =>
      `<path class="grid" d="M${left} ${y(value)}H${width - right}"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toLocaleString('en')}</text>`,
  );
  const commits = runs.map(
    (commit, run) =>
      `<text x="${x(run)}" y="${bottom + 18}" text-anchor="middle">${xmlText(commit)}</text>`,
  );
  const curves = names.map((name, i) => {
    const points = series.get(name).map(({ run, speed }) => [x(run), y(speed)].map(Math.round));
    const color = `hsl(${hues[i]} 65% 50%)`;
    const dots = points.map(
      ([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"/>`,
    );
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.join(' ')}"/>${dots.join('')}`;
  });
  const key = names.map(
    (name, i) =>
      `<circle cx="${left + 6}" cy="${height + 10 + 20 * i}" r="5" fill="hsl(${hues[i]} 65% 50%)"/><text x="${left + 20}" y="${height + 14 + 20 * i}">${xmlText(name)}</text>`,
  );
  const total = height + 20 * names.length + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" role="img" aria-label="Decode speed at 128 tokens, in tokens a second, over the measured commits">
<style>text{font:12px system-ui,sans-serif;fill:#777c89}.grid{stroke:#8885;fill:none}</style>
${[...grid, ...commits, ...curves, ...key].join('\n')}
</svg>
`;
}

function tables(lines) {
  const newest = (kind) => {
    const found = new Map();
    for (const line of lines) {
      if (line.kind === kind) found.set(`${line.adapter} ${line.model} ${line.tier ?? ''}`, line);
    }
    return [...found.values()];
  };
  return [peersTable(newest('peers')), aloneTable(newest('bench'))].join('\n\n');
}

function peersTable(lines) {
  const heading = '### Beside the peers, same weights, same run';
  if (lines.length === 0) return `${heading}\n\nNothing is measured yet.`;
  const rows = lines.flatMap((line) =>
    (line.engines.vitrail?.rows ?? []).map((own) => {
      const others = Object.entries(line.engines).flatMap(([name, { rows = [] }]) =>
        name === 'vitrail'
          ? []
          : rows
              .filter(({ promptTokens }) => promptTokens === own.promptTokens)
              .map((row) => ({ name, ...row })),
      );
      const cells = ['decodeTokensPerSecond', 'prefillTokensPerSecond'].flatMap((speed) => {
        const [best] = others.sort((a, b) => b[speed][0] - a[speed][0]);
        const ratio = best ? `${(own[speed][0] / best[speed][0]).toFixed(1)}× ${best.name}` : '';
        return [figure(own[speed]), ratio];
      });
      return [line.model, line.adapter, line.commit, own.promptTokens, ...cells];
    }),
  );
  const head = [
    'model',
    'GPU',
    'commit',
    'prompt',
    'decode tok/s',
    'the best peer',
    'prefill tok/s',
    'the best peer',
  ];
  return `${heading}\n\n${markdown(head, rows)}`;
}

function aloneTable(lines) {
  const heading = '### Vitrail alone';
  if (lines.length === 0) return `${heading}\n\nNothing is measured yet.`;
  const rows = lines.flatMap((line) =>
    line.results.map((row) => [
      line.model,
      line.tier,
      line.adapter,
      line.commit,
      row.promptTokens,
      figure(row.decodeTokensPerSecond),
      // Weights are read once a token; more than this moves, so it is a lower bound of the bandwidth in use.
      `${((line.weightBytes * row.decodeTokensPerSecond[0]) / 1e9).toFixed(0)} GB/s`,
      figure(row.prefillTokensPerSecond),
      `${row.ttftMs[0]} ms`,
    ]),
  );
  const head = [
    'model',
    'tier',
    'GPU',
    'commit',
    'prompt',
    'decode tok/s',
    'weights read',
    'prefill tok/s',
    'first token',
  ];
  return `${heading}\n\n${markdown(head, rows)}`;
}

function figure([median, smallest, largest]) {
  const [middle, from, to] = [median, smallest, largest].map((value) => value.toLocaleString('en'));
  return `${middle} (${from}–${to})`;
}

function markdown(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function xmlText(text) {
  return String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
