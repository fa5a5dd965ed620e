/**
 * How byte-level BPE cuts text into words, by `tokenizer.ggml.pre` of GGUF files. A family is a list of patterns that are
 * applied one after the other: each cuts every piece that the one before left into its matches and what lies between them.
 */
export interface BpePatterns {
  patterns: readonly string[];
  /** A word that is a token by itself is not built from merges. */
  ignoreMerges?: boolean;
  /** Files of this kind begin with BOS unless they say otherwise. */
  addBos?: boolean;
  /** Characters stand for themselves instead of bytes. */
  plainCharacters?: boolean;
  /** Spaces are written as ▁ before the cut. */
  escapeSpaces?: boolean;
}

const contractions = "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const letters = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const symbols = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
/** Words by case: `camelCase` is two. `suffix` may follow each. */
const cased = (suffix: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${suffix}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${suffix}`;
const punctuatedWord = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+';
/** Digits in threes, counted from the right. */
const thousands = '\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))';
const cjk = '[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+';
const deepSeekCjk = '[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+';
const gpt2Words =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const bloomWords = ' ?[^(\\s|.,!?\\u2026\\u3002\\uff0c\\u3001\\u0964\\u06d4\\u060c)]+';

/** Llama 3's cut, with digits in groups of up to `digits`. */
const llama3Words = (digits: string) => `${contractions}|${letters}|${digits}|${symbols}|${spaces}`;
const mixedWords = (symbolTail: string) =>
  `${punctuatedWord}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+${symbolTail}|\\s+(?!\\S)|\\s+`;

const families = {
  default: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2Words, '\\p{N}+', '[0-9][0-9][0-9]'] },
  gpt2: { patterns: [gpt2Words] },
  llama3: { patterns: [llama3Words('\\p{N}{1,3}')], ignoreMerges: true, addBos: true },
  minicpm5: { patterns: ['\\p{N}{1,3}', llama3Words('\\p{N}+')], ignoreMerges: true },
  threeDigits: { patterns: [llama3Words('\\p{N}{1,3}')] },
  qwen2: { patterns: [llama3Words('\\p{N}')] },
  qwen35: {
    patterns: [
      `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${spaces}`,
    ],
  },
  jais2: {
    patterns: [
      `${contractions}|${letters}|\\p{N}{1,3}|${symbols}|\\s*[\\r\\n]+|${[
        512, 256, 128, 64, 32, 16, 8, 4,
      ]
        .map((count) => `\\s{${count}}(?!\\S)`)
        .join('|')}|\\s{1,2}(?!\\S)|\\s`,
    ],
  },
  digitsFirst: { patterns: ['\\p{N}', gpt2Words] },
  falcon: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', gpt2Words, '[0-9][0-9][0-9]'] },
  deepseekLlm: {
    patterns: [
      '[\\r\\n]',
      // Letters of the scripts that have upper and lower case.
      '\\s?[\\p{Lu}\\p{Ll}\\p{Lt}]+',
      '\\s?[!-/:-~\\uff01-\\uff0f\\uff1a-\\uff5e\\u2018-\\u201f\\u3000-\\u3002]+',
      '\\s+$',
      deepSeekCjk,
      '\\p{N}+',
    ],
  },
  deepseekCoder: {
    patterns: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', deepSeekCjk, '\\p{N}'],
  },
  deepseek3: {
    patterns: ['\\p{N}{1,3}', cjk, mixedWords('[\\r\\n]*|\\s*[\\r\\n]+')],
  },
  spark: { patterns: ['\\p{N}{1,3}', cjk, mixedWords('|[\\r\\n]'), '\\p{N}'] },
  youtu: {
    patterns: [
      `[\\uac00-\\ud7a3\\u3131-\\u318e]+|[\\uff01\\u2026\\u201c\\u201d\\u2018\\u2019\\u2014\\uff1a\\uff1b\\uff0c\\u3001-\\u303f\\ufe30-\\ufe4f]+|[\\u3105-\\u312f]+|${cjk}`,
      `${cased(`(?:${contractions})?`)}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
    ],
    ignoreMerges: true,
  },
  bloom: { patterns: [bloomWords] },
  viking: { patterns: [bloomWords, '\\p{N}'] },
  tekken: {
    patterns: [`${cased('')}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`],
    ignoreMerges: true,
    addBos: true,
  },
  chameleon: {
    patterns: [
      '<sentinel:[0-9]+>',
      '(?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z',
      '(?:[\\t\\n]|    |  )',
      '\\p{N}',
      '[\\p{P}!-/:-@\\[-`{-~]',
      gpt2Words,
    ],
    addBos: true,
  },
  gpt4o: {
    patterns: [
      `${cased(`(?:${contractions})?`)}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
    ],
  },
  gpt4oIgnoreMerges: {
    patterns: [
      `${cased(`(?:${contractions})?`)}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
    ],
    ignoreMerges: true,
  },
  tinyAya: {
    patterns: [
      '\\d{1,3}(?=(?:\\d{3})*\\b)',
      `${cased(`(?:${contractions})?`)}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
    ],
  },
  kimi: {
    patterns: [
      '\\p{Script=Han}+',
      `${cased(`(?:${contractions})?`)}|\\p{N}{1,3}|${symbols}|${spaces}`,
    ],
  },
  superbpe: { patterns: [thousands] },
  bailing: {
    patterns: [
      `${contractions}|${letters}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
    ],
  },
  seedCoder: {
    patterns: [`${contractions}|${letters}|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${spaces}`],
  },
  noContractions: { patterns: [`${letters}|\\p{N}|${symbols}|${spaces}`] },
  afmoe: {
    patterns: [
      thousands,
      '[\\u4e00-\\u9fff\\u3400-\\u4dbf\\uf900-\\ufaff\\u3040-\\u309f\\u30a0-\\u30ff\\uff65-\\uff9f\\u2f00-\\u2fdf\\u0e40-\\u0e7f\\u0e80-\\u0eff\\u1780-\\u17ff\\u1000-\\u109f\\uaa60-\\uaa7f\\ua9e0-\\ua9ff\\uac00-\\ud7af\\u1100-\\u11ff]+',
      mixedWords('[\\r\\n]*|\\s*[\\r\\n]+'),
    ],
  },
  laguna: { patterns: ['[^\\n]+|[\\n]+', llama3Words('\\p{N}')] },
  exaoneMoe: {
    patterns: [
      `${contractions}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
    ],
  },
  lines: { patterns: ['[^\\n]+|[\\n]+'], plainCharacters: true, escapeSpaces: true },
  // A run of line breaks is a token, but no merges lead to it.
  wholeBreaks: {
    patterns: ['[^\\n]+|[\\n]+'],
    plainCharacters: true,
    escapeSpaces: true,
    ignoreMerges: true,
  },
  whitespace: { patterns: ['\\S+|\\s+'], plainCharacters: true },
} satisfies Record<string, BpePatterns>;

/** Names of each family, as converters write them. */
const names: Readonly<Record<keyof typeof families, string>> = {
  default: 'default',
  gpt2: 'gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code roberta-bpe mpt olmo jais trillion granite-docling exaone4',
  llama3: 'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
  minicpm5: 'minicpm5',
  threeDigits: 'dbrx smaug-bpe glm4 chatglm-bpe k2-horizon',
  qwen2: 'qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2',
  qwen35: 'qwen35',
  jais2: 'jais-2',
  digitsFirst: 'starcoder refact command-r smollm codeshell exaone minerva-7b mellum2',
  falcon: 'falcon',
  deepseekLlm: 'deepseek-llm',
  deepseekCoder: 'deepseek-coder',
  deepseek3: 'deepseek-v3 hunyuan-dense joyai-llm hy-v4',
  spark: 'spark2.5',
  youtu: 'youtu',
  bloom: 'poro-chat bloom gpt3-finnish',
  viking: 'viking',
  tekken: 'tekken',
  chameleon: 'chameleon',
  gpt4o: 'gpt-4o llama4 kanana2 talkie minimax-m2',
  gpt4oIgnoreMerges: 'granite-embed-multi-97m',
  tinyAya: 'tiny_aya cohere2moe',
  kimi: 'kimi-k2',
  superbpe: 'superbpe',
  bailing: 'bailingmoe bailingmoe2 llada-moe',
  seedCoder: 'seed-coder',
  noContractions: 'ufakzeka',
  afmoe: 'afmoe',
  laguna: 'laguna',
  exaoneMoe: 'exaone-moe',
  lines: 'sarvam-moe',
  wholeBreaks: 'gemma4 granite-embed-multi-311m',
  whitespace: 'whitespace',
};

const byName = new Map(
  Object.entries(names).flatMap(([family, list]) =>
    list.split(' ').map((name) => [name, families[family as keyof typeof families]] as const),
  ),
);

/** The patterns of a pre-tokenizer; undefined where the name is not known. */
export function bpePatterns(name: string): BpePatterns | undefined {
  return byName.get(name);
}

export const defaultBpePatterns: BpePatterns = families.default;
