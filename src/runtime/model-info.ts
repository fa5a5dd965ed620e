import type { OpenModel } from '../storage/weight-store.ts';
import type { TokenizerParts } from '../tokenizer/gguf-tokenizer.ts';
import type { LanguageModelInfo } from '../types.ts';
import type { ModelPlan } from './model-plan.ts';
import { samplingDefaults } from './sampling-options.ts';

/** What a page is told of a model. */
export function describeModel(
  file: OpenModel,
  { config, contextLength }: ModelPlan,
  { definition, warnings }: TokenizerParts,
): LanguageModelInfo {
  const tensors = [...file.header.tensors.values()];
  return {
    name: config.name || file.name,
    architecture: config.architecture,
    quantization: mainFormat(file).toUpperCase(),
    parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    weightBytes: file.gpuBytes,
    contextLength,
    layers: config.numHiddenLayers,
    heads: config.numAttentionHeads,
    kvHeads: config.numKeyValueHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    chatTemplate: definition.chatTemplate !== null,
    attention: [
      'flash',
      ...(config.moh ? ['moh'] : []),
      ...(config.tokenSelect ? ['token-select'] : []),
      ...(config.matryoshka ? ['matryoshka'] : []),
    ],
    sampling: samplingDefaults(file.header),
    warnings,
  };
}

/** The storage format that holds most of the weights. */
function mainFormat(file: OpenModel): string {
  const elements = new Map<string, number>();
  for (const tensor of file.header.tensors.values()) {
    const { name } = file.formatOf(tensor);
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    elements.set(name, (elements.get(name) ?? 0) + count);
  }
  const [first] = [...elements].sort((a, b) => b[1] - a[1]);
  return first?.[0] ?? '';
}
