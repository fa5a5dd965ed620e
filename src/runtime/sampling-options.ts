import type { ModelHeader } from '../formats/header.ts';
import type { SamplingDefaults } from '../types.ts';

interface SamplingOption {
  /** GGUF's key behind `general.sampling.`, as llama.cpp reads it. */
  key: string;
  /** Where neither the caller nor the model's file says otherwise. */
  usual: number;
  allows(value: number): boolean;
  /** What is allowed, for people. */
  wants: string;
}

const from = (least: number, most: number): Pick<SamplingOption, 'allows' | 'wants'> => ({
  allows: (value) => value >= least && value <= most,
  wants: `a number from ${least} to ${most}`,
});

/** What an answer is drawn with. */
const samplingOptions: Record<keyof SamplingDefaults, SamplingOption> = {
  temperature: { key: 'temp', usual: 0.7, ...from(0, 100) },
  topK: {
    key: 'top_k',
    usual: 40,
    allows: (value) => Number.isSafeInteger(value) && value >= 0,
    wants: 'a whole number of at least 0',
  },
  topP: { key: 'top_p', usual: 0.95, ...from(0, 1) },
  minP: { key: 'min_p', usual: 0, ...from(0, 1) },
  repetitionPenalty: {
    key: 'penalty_repeat',
    usual: 1,
    allows: (value) => value > 0 && Number.isFinite(value),
    wants: 'a number above 0',
  },
};

/** How a file wants its answers drawn; what it does not say, or says without sense, is as usual. */
export function samplingDefaults({ metadata }: Pick<ModelHeader, 'metadata'>): SamplingDefaults {
  return eachSamplingOption((_, { key, usual, allows }) => {
    const value = metadata.get(`general.sampling.${key}`);
    if (typeof value !== 'number') return usual;
    // Files keep single precision: 0.3 comes as 0.30000001192…
    const rounded = Number(value.toPrecision(6));
    return allows(rounded) ? rounded : usual;
  });
}

/** A value for each option. */
export function eachSamplingOption(
  decide: (name: keyof SamplingDefaults, option: SamplingOption) => number,
): SamplingDefaults {
  const names = Object.keys(samplingOptions) as (keyof SamplingDefaults)[];
  const values = names.map((name) => [name, decide(name, samplingOptions[name])]);
  return Object.fromEntries(values) as SamplingDefaults;
}
