import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopRules } from './stop-rules.ts';

function stream(pieces: readonly string[], stops: readonly string[]): string {
  const rules = new StopRules(stops);
  let shown = '';
  for (const piece of pieces) {
    const { text, stopped } = rules.push(piece);
    shown += text;
    if (stopped) return shown;
  }
  return shown + rules.flush();
}

describe('StopRules', () => {
  it('ends before a stop text that comes in pieces', () => {
    expect(stream(['Hello', ' wor', 'ld\nUs', 'er: hi'], ['\nUser:'])).toBe('Hello world');
  });

  it('shows what only looked like a stop text', () => {
    expect(stream(['a\nUs', 'ual'], ['\nUser:'])).toBe('a\nUsual');
    expect(stream(['a\nUs'], ['\nUser:'])).toBe('a\nUs');
  });

  it('takes the first of several', () => {
    expect(stream(['one two three'], ['three', 'two'])).toBe('one ');
  });

  it('waits for a longer stop text that began before a short one', () => {
    expect(stream(['bc', 'b'], ['c', 'bcb'])).toBe('');
    expect(stream(['bc', 'a'], ['c', 'bcb'])).toBe('b');
    expect(stream(['bc'], ['c', 'bcb'])).toBe('b');
  });

  it('cuts at the first stop text, however the text is split', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(text), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('');
        const ends = stops.map((s) => whole.indexOf(s)).filter((i) => i >= 0);
        expect(stream(pieces, stops)).toBe(whole.slice(0, Math.min(...ends, whole.length)));
      }),
      { numRuns: 1000 },
    );
  });
});
