import { describe, expect, it } from 'vitest';
import { SpeechMotion } from './speech-motion.ts';

const names = ['jawOpen', 'mouthPressLeft', 'mouthPucker', 'eyeBlinkLeft'];
const frame = 1 / 60;

/** Runs the mouth until it has closed or the time is over; `each` sees the weights of every frame. */
function run(
  speech: SpeechMotion,
  { until = 60, each }: { until?: number; each?: (weights: Float32Array, seconds: number) => void },
): number {
  let seconds = 0;
  for (; seconds < until && speech.active; seconds += frame) {
    const weights = new Float32Array(names.length);
    speech.apply(weights, seconds);
    each?.(weights, seconds);
  }
  return seconds;
}

function peak(text: string, name: string): number {
  const speech = new SpeechMotion(names);
  let largest = 0;
  speech.say(text);
  run(speech, {
    each: (weights) => {
      largest = Math.max(largest, weights[names.indexOf(name)] as number);
    },
  });
  return largest;
}

describe('a mouth that says a text', () => {
  it('opens the jaw for vowels and presses the lips for m, b and p', () => {
    expect(peak('aaa', 'jawOpen')).toBeGreaterThan(0.4);
    expect(peak('mmm', 'jawOpen')).toBe(0);
    expect(peak('mmm', 'mouthPressLeft')).toBeGreaterThan(0.3);
    expect(peak('uuu', 'mouthPucker')).toBeGreaterThan(0.5);
    expect(peak('ää', 'jawOpen')).toBeCloseTo(peak('aa', 'jawOpen'), 6);
    expect(peak('**##', 'jawOpen')).toBe(0);
  });

  it('speaks at the pace of speech, smoothly in any script, and closes at the end', () => {
    for (const text of ['It was a dark evening, and the rain had not stopped.', 'Привет, 世界']) {
      const speech = new SpeechMotion(names);
      const jaw: number[] = [];
      speech.say(text);
      const seconds = run(speech, { each: (weights) => jaw.push(weights[0] as number) });
      expect(Math.max(...jaw)).toBeGreaterThan(0.1);
      const steps = jaw.slice(1).map((weight, i) => Math.abs(weight - (jaw[i] as number)));
      expect(Math.max(...steps)).toBeLessThan(0.2);
      expect(jaw.at(-1)).toBeLessThan(0.005);
      expect(text.length / seconds).toBeGreaterThan(7);
      expect(text.length / seconds).toBeLessThan(20);
    }
  });

  it('moves alike at 30 and at 60 frames a second', () => {
    const at = (rate: number): number => {
      const speech = new SpeechMotion(names);
      const weights = new Float32Array(names.length);
      speech.say('aaaaaa');
      for (let i = 0; i <= rate * 0.4; i += 1) {
        weights.fill(0);
        speech.apply(weights, i / rate);
      }
      return weights[0] as number;
    };
    expect(at(30)).toBeCloseTo(at(60), 3);
  });

  it('waits open-ended between pieces, and leaves words out when they come too fast', () => {
    const speech = new SpeechMotion(names);
    const weights = new Float32Array(names.length);
    speech.open();
    speech.piece('Hello');
    for (let seconds = 0; seconds < 3; seconds += frame) {
      weights.fill(0);
      speech.apply(weights, seconds);
    }
    expect(Math.max(...weights)).toBeLessThan(0.005);
    expect(speech.active).toBe(true);
    // Half a minute of text within a second: 300 words in 60 pieces.
    for (let i = 0; i < 60; i += 1) {
      speech.piece('and so on it goes ');
      speech.apply(weights, 3 + i * frame);
    }
    speech.end();
    let spoke = 0;
    const left = run(speech, {
      each: (current) => {
        spoke = Math.max(spoke, current[0] as number);
      },
    });
    expect(spoke).toBeGreaterThan(0.2);
    expect(left).toBeGreaterThan(0.8);
    expect(left).toBeLessThan(3);
  });

  it('falls silent, and leaves out pieces of a text that something else replaced', () => {
    const speech = new SpeechMotion(names);
    speech.open();
    speech.piece('aaaa');
    speech.stop();
    speech.piece('aaaa');
    expect(run(speech, {})).toBeLessThan(0.5);
    expect(speech.active).toBe(false);
  });
});
