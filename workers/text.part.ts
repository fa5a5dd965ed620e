import { version } from '../package.json';
import { EngineModel } from '../src/runtime/engine-model.ts';
import { type TextPart, textPlace } from '../src/runtime/text-part.ts';
import { tokenizerFromJson } from '../src/tokenizer/json-tokenizer.ts';
import { tokenizerOfModel } from '../src/tokenizer/model-tokenizer.ts';

/** The entry of vitrail.text.js, which the worker loads for its first language model or tokenizer. */
const part: TextPart = {
  version,
  loadModel: EngineModel.load,
  tokenizerOfModel,
  tokenizerFromJson,
};
Object.assign(globalThis, { [textPlace.name]: part });
