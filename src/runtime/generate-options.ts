import { invalidArgument } from '../errors.ts';
import type { SamplerSettings } from '../kernels/sample.ts';
import type { GenerateOptions, SamplingDefaults } from '../types.ts';

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
  const temperature = inRange('temperature', options.temperature ?? defaults.temperature, 0, 100);
  const maxTokens = options.maxTokens ?? Number.POSITIVE_INFINITY;
  if (maxTokens !== Number.POSITIVE_INFINITY) wholeNumber('maxTokens', maxTokens, 1);
  return {
    sampler: {
      temperature,
      topK: wholeNumber('topK', options.topK ?? defaults.topK, 0),
      topP: inRange('topP', options.topP ?? defaults.topP, 0, 1),
      minP: inRange('minP', options.minP ?? defaults.minP, 0, 1),
      repetitionPenalty: positive(
        'repetitionPenalty',
        options.repetitionPenalty ?? defaults.repetitionPenalty,
      ),
      seed: wholeNumber('seed', options.seed ?? randomSeed(), 0),
    },
    greedy: temperature === 0,
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

function inRange(name: string, value: number, from: number, to: number): number {
  if (typeof value === 'number' && value >= from && value <= to) return value;
  throw invalidArgument(
    where,
    `${name} is ${String(value)}.`,
    `Give ${name} a number from ${from} to ${to}.`,
  );
}

function positive(name: string, value: number): number {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw invalidArgument(where, `${name} is ${String(value)}.`, `Give ${name} a number above 0.`);
}

function wholeNumber(name: string, value: number, from: number): number {
  if (Number.isSafeInteger(value) && value >= from) return value;
  throw invalidArgument(
    where,
    `${name} is ${String(value)}.`,
    `Give ${name} a whole number of at least ${from}.`,
  );
}

function texts(name: string, value: readonly string[]): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
  throw invalidArgument(where, `${name} is no list of texts.`, `Give ${name} an array of strings.`);
}
