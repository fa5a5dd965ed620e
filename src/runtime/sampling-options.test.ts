import { describe, expect, it } from 'vitest';
import type { MetadataValue } from '../formats/header.ts';
import { generationSettings } from './generate-options.ts';
import { samplingDefaults } from './sampling-options.ts';

const file = (entries: Record<string, MetadataValue>) => ({
  metadata: new Map(Object.entries(entries)),
});
const usual = { temperature: 0.7, topK: 40, topP: 0.95, minP: 0, repetitionPenalty: 1 };

describe('samplingDefaults', () => {
  it('are the usual ones where a file says nothing', () => {
    expect(samplingDefaults(file({ 'general.name': 'a' }))).toEqual(usual);
  });

  it('are what a file recommends, rounded from its single precision', () => {
    const wanted = file({
      'general.sampling.temp': Math.fround(0.3),
      'general.sampling.top_k': 20,
      'general.sampling.penalty_repeat': Math.fround(1.1),
    });
    expect(samplingDefaults(wanted)).toEqual({
      ...usual,
      temperature: 0.3,
      topK: 20,
      repetitionPenalty: 1.1,
    });
  });

  it('passes over what makes no sense', () => {
    const odd = file({
      'general.sampling.temp': -1,
      'general.sampling.top_p': 'high',
      'general.sampling.top_k': 2.5,
      'general.sampling.penalty_repeat': 0,
    });
    expect(samplingDefaults(odd)).toEqual(usual);
  });
});

describe('generationSettings', () => {
  const advised = { ...usual, temperature: 0.3 };

  it('draw as the model wants where the caller says nothing', () => {
    expect(generationSettings({}, advised).sampler.temperature).toBe(0.3);
    expect(generationSettings({ temperature: 1 }, advised).sampler.temperature).toBe(1);
    expect(generationSettings({ temperature: 0 }, advised).greedy).toBe(true);
  });
});
