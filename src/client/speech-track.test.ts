import { describe, expect, it } from 'vitest';
import { speechTrack } from './speech-track.ts';

/** The largest weight of an expression while a text is said. */
function peak(text: string, name: string): number {
  const { names, frames } = speechTrack(text);
  const at = names.indexOf(name);
  return at < 0 ? 0 : Math.max(...frames.map(({ weights }) => weights[at] as number));
}

describe('speech without sound', () => {
  it('opens the jaw for vowels and presses the lips for m, b and p', () => {
    expect(peak('aaa', 'jawOpen')).toBeGreaterThan(0.4);
    expect(peak('mmm', 'jawOpen')).toBe(0);
    expect(peak('mmm', 'mouthPressLeft')).toBeGreaterThan(0.3);
    expect(peak('uuu', 'mouthPucker')).toBeGreaterThan(0.5);
    expect(peak('ää', 'jawOpen')).toBe(peak('aa', 'jawOpen'));
  });

  it('closes the mouth at the end, and lasts as long as speaking does', () => {
    const text = 'It was a dark evening, and the rain had not stopped since noon.';
    const { frames, fps } = speechTrack(text);
    for (const weight of frames.at(-1)?.weights ?? [1]) expect(weight).toBeLessThan(0.01);
    const charactersPerSecond = text.length / (frames.length / (fps ?? 0));
    expect(charactersPerSecond).toBeGreaterThan(9);
    expect(charactersPerSecond).toBeLessThan(20);
  });

  it('moves smoothly, and for other scripts too', () => {
    const { frames } = speechTrack('Привет, 世界');
    const jaw = frames.map(({ weights }) => weights[0] as number);
    expect(Math.max(...jaw)).toBeGreaterThan(0.1);
    const steps = jaw.slice(1).map((weight, i) => Math.abs(weight - (jaw[i] as number)));
    expect(Math.max(...steps)).toBeLessThan(0.25);
  });

  it('has a frame even for no text', () => {
    expect(speechTrack('').frames.length).toBeGreaterThan(0);
  });
});
