import embedded from '../models/index.json';

export interface ModelChoice {
  name: string;
  description: string;
  bytes: number;
  /** What `loadModel` takes; null: the embedded model. */
  source: string | null;
  /** What to ask it first. Default: questions for an assistant. */
  prompts?: string[];
}

/** An entry of models/index.json. */
type EmbeddedModel = Omit<ModelChoice, 'source'> & { file: string };

/** The models that come with the page. */
export const embeddedModels: ModelChoice[] = (embedded.models as EmbeddedModel[]).map(
  (model, index) => ({
    ...model,
    source: index === 0 ? null : new URL(`models/${model.file}`, document.baseURI).href,
  }),
);

/** Small instruction-tuned models on Hugging Face, smallest first. */
export const hubModels: ModelChoice[] = [
  {
    name: 'SmolLM2 135M',
    description: 'The quickest download that still chats.',
    bytes: 105_454_432,
    source: 'hf:bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf',
  },
  {
    name: 'Gemma 3 270M',
    description: 'Small and careful with instructions, by Google.',
    bytes: 291_545_600,
    source: 'hf:unsloth/gemma-3-270m-it-GGUF/gemma-3-270m-it-Q8_0.gguf',
  },
  {
    name: 'SmolLM2 360M',
    description: 'A good middle way, by Hugging Face.',
    bytes: 386_000_000,
    source: 'hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf',
  },
  {
    name: 'Qwen2.5 0.5B',
    description: 'Many languages, some code, by Alibaba.',
    bytes: 397_808_192,
    source: 'hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF/Qwen2.5-0.5B-Instruct-Q4_K_M.gguf',
  },
  {
    name: 'Qwen3 0.6B',
    description: 'Thinks aloud before it answers, by Alibaba.',
    bytes: 639_446_688,
    source: 'hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf',
  },
  {
    name: 'Llama 3.2 1B',
    description: 'The most able of these, by Meta. Wants a real GPU.',
    bytes: 807_694_464,
    source: 'hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf',
  },
];

const assistantPrompts = [
  'Tell a story about a lighthouse.',
  'Why is the sky blue?',
  'Write a haiku about glass.',
];

/** What to suggest to someone who has just opened a model. */
export function promptsFor(source: unknown): string[] {
  const choice = [...embeddedModels, ...hubModels].find((model) => model.source === source);
  return choice?.prompts ?? assistantPrompts;
}
