import { version } from '../package.json';
import { type TextPart, textPlace } from '../src/runtime/text-part.ts';
import { encodeChat } from '../src/tokenizer/chat-template.ts';
import { tokenizerFromGguf } from '../src/tokenizer/gguf-tokenizer.ts';
import { tokenizerFromJson } from '../src/tokenizer/json-tokenizer.ts';

/** The entry of vitrail.text.js, which the worker loads for its first language model or tokenizer. */
const part: TextPart = { version, tokenizerFromGguf, tokenizerFromJson, encodeChat };
Object.assign(globalThis, { [textPlace.name]: part });
