import type { ModelHeader } from '../formats/header.ts';
import type { SamplingDefaults } from '../types.ts';

/** What an answer is drawn with where neither the caller nor the model's file says otherwise. */
const usual: SamplingDefaults = {
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1,
};

/** GGUF's keys behind `general.sampling.`, as llama.cpp reads them, and what is a sensible value. */
const keys: Record<keyof SamplingDefaults, { key: string; isSensible(value: number): boolean }> = {
  temperature: { key: 'temp', isSensible: (value) => value >= 0 && value <= 100 },
  topK: { key: 'top_k', isSensible: (value) => Number.isInteger(value) && value >= 0 },
  topP: { key: 'top_p', isSensible: (value) => value >= 0 && value <= 1 },
  minP: { key: 'min_p', isSensible: (value) => value >= 0 && value <= 1 },
  repetitionPenalty: { key: 'penalty_repeat', isSensible: (value) => value > 0 && value < 100 },
};

/** How a file wants its answers drawn; what it does not say, or says without sense, is as usual. */
export function samplingDefaults({ metadata }: Pick<ModelHeader, 'metadata'>): SamplingDefaults {
  const read = (name: keyof SamplingDefaults): number => {
    const { key, isSensible } = keys[name];
    const value = metadata.get(`general.sampling.${key}`);
    // Files keep single precision: 0.3 comes as 0.30000001192…
    const rounded = typeof value === 'number' ? Number(value.toPrecision(6)) : Number.NaN;
    return isSensible(rounded) ? rounded : usual[name];
  };
  return {
    temperature: read('temperature'),
    topK: read('topK'),
    topP: read('topP'),
    minP: read('minP'),
    repetitionPenalty: read('repetitionPenalty'),
  };
}
