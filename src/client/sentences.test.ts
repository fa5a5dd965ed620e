import { describe, expect, it } from 'vitest';
import { createSentenceSplitter } from './sentences.ts';

function split(pieces: string[]): string[] {
  const splitter = createSentenceSplitter();
  return [...pieces.map((piece) => splitter.push(piece)), splitter.flush()].filter(Boolean);
}

describe('sentences of streamed text', () => {
  it('waits for the end of a sentence, and keeps decimals and closing quotes whole', () => {
    expect(split(['Pi is 3', '.', '14159. He said "yes', '." Then', ' he left'])).toEqual([
      'Pi is 3.14159.',
      'He said "yes."',
      'Then he left',
    ]);
  });

  it('takes a line as a sentence, and knows full-width marks', () => {
    expect(split(['1. One. 2', '. Two.\n', '3.', ' Three.'])).toEqual([
      '1. One.',
      '2. Two.',
      '3. Three.',
    ]);
    expect(split(['- one\n- tw', 'o\n', 'こんにちは。元', '気'])).toEqual([
      '- one',
      '- two',
      'こんにちは。',
      '元気',
    ]);
  });

  it('loses nothing, whatever the pieces are', () => {
    const text = 'A first one. A second!\nThen: 1.5 (maybe). End';
    for (let size = 1; size < 12; size += 1) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(split(pieces).join(' ')).toBe(text.replace('\n', ' '));
    }
  });
});
