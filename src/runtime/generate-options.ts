import { invalidArgument, type VitrailError } from '../errors.ts';
import type { SamplerSettings } from '../kernels/sample.ts';
import type { GenerateOptions, SamplingDefaults } from '../types.ts';
import { eachSamplingOption } from './sampling-options.ts';

/** `GenerateOptions` with every default filled in. */
export interface GenerationSettings {
  sampler: SamplerSettings;
  greedy: boolean;
  maxTokens: number;
  stop: readonly string[];
  ignoreEos: boolean;
}

const where = 'generate/options';

/** Checks the options and fills in the model's defaults. Throws `invalid-argument` that names the option. */
export function generationSettings(
  options: GenerateOptions,
  defaults: SamplingDefaults,
): GenerationSettings {
  refuseUnknown(options);
  const sampling = eachSamplingOption((name, { allows, wants }) => {
    const value = options[name] ?? defaults[name];
    if (typeof value === 'number' && allows(value)) return value;
    throw refused(name, value, wants);
  });
  const maxTokens = options.maxTokens ?? Number.POSITIVE_INFINITY;
  if (maxTokens !== Number.POSITIVE_INFINITY) wholeNumber('maxTokens', maxTokens, 1);
  return {
    sampler: { ...sampling, seed: wholeNumber('seed', options.seed ?? randomSeed(), 0) },
    greedy: sampling.temperature === 0,
    maxTokens,
    stop: texts('stop', options.stop ?? []),
    ignoreEos: options.ignoreEos ?? false,
  };
}

/** Options of the field that are not there yet: to pass over them in silence would give answers that nobody asked for. */
function refuseUnknown(options: object): void {
  for (const name of ['schema', 'tools']) {
    if (Reflect.get(options, name) === undefined) continue;
    throw invalidArgument(
      where,
      `${name} is not supported yet.`,
      `Leave ${name} out, and ask for the form of the answer in the prompt.`,
    );
  }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

function wholeNumber(name: string, value: number, from: number): number {
  if (Number.isSafeInteger(value) && value >= from) return value;
  throw refused(name, value, `a whole number of at least ${from}`);
}

function refused(name: string, value: unknown, wants: string): VitrailError {
  return invalidArgument(where, `${name} is ${String(value)}.`, `Give ${name} ${wants}.`);
}

function texts(name: string, value: readonly string[]): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
  throw invalidArgument(where, `${name} is no list of texts.`, `Give ${name} an array of strings.`);
}
