import { VitrailError } from '../errors.ts';
import type { ModelHeader } from '../formats/header.ts';
import type { Architecture } from './config.ts';
import { gemma3 } from './gemma3.ts';
import { configKey, parseConfig } from './header-reader.ts';
import { llama } from './llama.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** Every architecture that Vitrail runs. A new one is one file and one line here. */
export const architectures: readonly Architecture[] = [llama, qwen2, qwen3, gemma3, phi3];

/** config.json's `model_type` where it differs from GGUF's name. */
const modelTypes: Readonly<Record<string, string>> = {
  mistral: 'llama',
  smollm2: 'llama',
  gemma3_text: 'gemma3',
};

/** The architecture that a file asks for. Throws `model-unsupported` with what is supported. */
export function architectureOf(header: ModelHeader): Architecture {
  const config = header.metadata.get(configKey);
  const stored =
    typeof config === 'string'
      ? parseConfig(config).model_type
      : header.metadata.get('general.architecture');
  const name = modelTypes[String(stored)] ?? String(stored ?? 'none');
  const architecture = architectures.find((candidate) => candidate.name === name);
  if (architecture) return architecture;
  const supported = architectures.map((candidate) => candidate.name).join(', ');
  throw new VitrailError('model-unsupported', `The architecture '${name}' is not supported.`, {
    where: 'models/registry',
    fix: `Use a model of one of these architectures: ${supported}.`,
    detail: { architecture: name, supported },
  });
}
