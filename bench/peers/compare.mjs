/** Samples of the engines to medians, spreads and ratios. */
import { spread } from '../statistics.mjs';

/** By engine: medians with the smallest and largest, by prompt length, and Vitrail's ratio to the engine. */
export function compare(results) {
  const ownSamples = results.vitrail?.samples ?? [];
  return Object.fromEntries(
    Object.entries(results).map(([name, { samples, ...rest }]) => {
      const lengths = [...new Set(samples.map(({ length }) => length))];
      const rows = lengths.map((promptTokens) => {
        const row = rowOf(samples, promptTokens);
        if (name === 'vitrail' || ownSamples.length === 0) return { promptTokens, ...row };
        const own = rowOf(ownSamples, promptTokens);
        return {
          promptTokens,
          ...row,
          prefillRatio: ratio(own.prefillTokensPerSecond, row.prefillTokensPerSecond),
          decodeRatio: ratio(own.decodeTokensPerSecond, row.decodeTokensPerSecond),
        };
      });
      const agreement = name === 'vitrail' ? {} : agreementOf(samples, ownSamples);
      return [name, { ...rest, ...agreement, rows }];
    }),
  );
}

function rowOf(samples, promptTokens) {
  const those = samples.filter(({ length }) => length === promptTokens);
  // What the first round begins with also compiles.
  const idle = those.flatMap(({ number, idle }) => (number > 0 && idle ? [idle] : []));
  return {
    ...speedsOf(those, promptTokens),
    ...(idle.length > 0 ? { fromIdle: speedsOf(idle, promptTokens) } : {}),
  };
}

function speedsOf(samples, promptTokens) {
  return {
    prefillTokensPerSecond: spread(
      samples.map(({ prefillMs }) => (1000 * promptTokens) / prefillMs),
    ),
    decodeTokensPerSecond: spread(
      samples.map(({ decodedTokens, decodeMs }) => (1000 * decodedTokens) / decodeMs),
    ),
  };
}

const ratio = (own, other) => Number((own[0] / other[0]).toPrecision(3));

/** The fewest leading tokens that were the same: near ties part sooner where activations are rounded. */
function agreementOf(samples, ownSamples) {
  const counts = samples.flatMap(({ tokens, length, number }) => {
    const own = ownSamples.find((each) => each.length === length && each.number === number);
    if (!tokens || !own) return [];
    const differs = tokens.findIndex((token, i) => token !== own.tokens[i]);
    return [differs === -1 ? tokens.length : differs];
  });
  return counts.length > 0 ? { sameTokens: Math.min(...counts) } : {};
}

/** The comparison for people. */
export function table(title, compared) {
  const head = ['engine', 'prompt', 'prefill tok/s', 'decode tok/s', 'prefill ×', 'decode ×'];
  const rows = Object.entries(compared).flatMap(([name, { rows, error }]) => [
    ...rows.map((row) => [
      name,
      String(row.promptTokens),
      figure(row.prefillTokensPerSecond),
      figure(row.decodeTokensPerSecond),
      row.prefillRatio ? `${row.prefillRatio}` : '',
      row.decodeRatio ? `${row.decodeRatio}` : '',
    ]),
    ...(error ? [[name, 'failed', error.slice(0, 60), '', '', '']] : []),
  ]);
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const format = (line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ');
  return [`\n${title}`, ...lines.map(format)].join('\n');
}

const figure = ([median, smallest, largest]) => `${median} (${smallest}–${largest})`;
