import { describe, expect, it, onTestFinished } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { GenerationResult, TextEvent } from '../types.ts';
import { startGeneration } from './generation.ts';

const result: GenerationResult = {
  text: 'one two',
  tokens: [1, 2],
  finish: 'stop',
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 },
  timing: { ttftMs: 1, prefillTokensPerSecond: 1, decodeTokensPerSecond: 1 },
};
const events: TextEvent[] = [
  { type: 'text', text: 'one', tokens: [1] },
  { type: 'text', text: ' two', tokens: [2] },
];

/** Emits with a pause before each event, and ends early when aborted. */
async function slowly(
  signal: AbortSignal,
  onEvent: (event: TextEvent) => void,
): Promise<GenerationResult> {
  for (const event of events) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (signal.aborted) return { ...result, finish: 'abort' };
    onEvent(event);
  }
  return result;
}

async function textOf(generation: AsyncIterable<TextEvent>): Promise<string> {
  let text = '';
  for await (const event of generation) text += event.text;
  return text;
}

describe('a generation', () => {
  it('gives the same events to a loop, to a second loop beside it and to one after the end', async () => {
    const generation = startGeneration(slowly, undefined);
    expect(await Promise.all([textOf(generation), textOf(generation)])).toEqual([
      'one two',
      'one two',
    ]);
    expect(await generation.result).toEqual(result);
    expect(await textOf(generation)).toBe('one two');
  });

  it('finishes without anyone iterating', async () => {
    expect(await startGeneration(slowly, undefined).result).toEqual(result);
  });

  it('is aborted by leaving the loop', async () => {
    const generation = startGeneration(slowly, undefined);
    for await (const _event of generation) break;
    expect((await generation.result).finish).toBe('abort');
  });

  it('is aborted by the signal, before and during the run, and the loop just ends', async () => {
    const controller = new AbortController();
    const generation = startGeneration(slowly, controller.signal);
    let text = '';
    for await (const event of generation) {
      text += event.text;
      controller.abort();
    }
    expect(text).toBe('one');
    expect((await generation.result).finish).toBe('abort');
    const late = startGeneration(slowly, AbortSignal.abort());
    expect(await textOf(late)).toBe('');
    expect((await late.result).finish).toBe('abort');
  });

  it('fails in the loop and in the result, and never as an unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => {
      unhandled.push(reason);
    };
    process.on('unhandledRejection', note);
    onTestFinished(() => {
      process.off('unhandledRejection', note);
    });
    const failure = new VitrailError('context-full', 'Full.', { where: 'test', fix: 'Shorten.' });
    startGeneration(async () => Promise.reject(failure), undefined);
    const generation = startGeneration(async (_signal, onEvent) => {
      onEvent(events[0] as TextEvent);
      throw failure;
    }, undefined);
    const seen: string[] = [];
    await expect(async () => {
      for await (const event of generation) seen.push(event.text);
    }).rejects.toBe(failure);
    expect(seen).toEqual(['one']);
    await expect(generation.result).rejects.toBe(failure);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(unhandled).toEqual([]);
  });
});
