import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { encodeChat } from './chat-template.ts';
import { tokenizerFromJson } from './json-tokenizer.ts';
import { createTokenizer } from './tokenizer.ts';

const special = (id: number, content: string, more: object = {}) => ({
  id,
  content,
  special: true,
  lstrip: false,
  rstrip: false,
  normalized: false,
  single_word: false,
  ...more,
});

/** Llama's form: spaces as ▁, one before the text, byte fallback, BOS by the post-processor. */
const sentencePiece = {
  version: '1.0',
  added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: null as unknown,
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: {},
  } as unknown,
  decoder: null,
  model: {
    type: 'BPE',
    vocab: { '<unk>': 0, '<s>': 1, '</s>': 2, '▁': 3, a: 4, b: 5, '▁a': 6, '▁ab': 7, ab: 8 },
    merges: ['▁ a', '▁a b', 'a b'],
    byte_fallback: true,
    fuse_unk: true,
    unk_token: '<unk>',
  } as Record<string, unknown>,
};

const config = { bos_token: '<s>', eos_token: { content: '</s>' } };
const definitionOf = (json: object, tokenizerConfig?: object) =>
  tokenizerFromJson(json, tokenizerConfig).definition;

describe('tokenizer.json', () => {
  it('puts the space and BOS before the text, and takes the space off again', () => {
    const tokenizer = createTokenizer(definitionOf(sentencePiece, config));
    expect(tokenizer.encode('ab a', { addBos: true })).toEqual([1, 7, 6]);
    expect(tokenizer.decode([1, 7, 6])).toBe('ab a');
    expect(tokenizer.encode('ab<s>ab', { special: true })).toEqual([7, 1, 7]);
    expect([...tokenizer.endIds]).toEqual([2]);
  });

  it('finds BOS in the post-processor and the end by its text where no configuration stands beside', () => {
    const { bosId, eosId, addBos, addEos, endIds } = definitionOf(sentencePiece);
    expect({ bosId, eosId, addBos, addEos, endIds }).toEqual({
      bosId: 1,
      eosId: null,
      addBos: true,
      addEos: false,
      endIds: [2],
    });
  });

  it('lets the configuration decide on BOS and EOS', () => {
    const flags = { ...config, add_bos_token: false, add_eos_token: true };
    const { addBos, addEos } = definitionOf(sentencePiece, flags);
    expect([addBos, addEos]).toEqual([false, true]);
  });

  it('knows the frame of BERT', () => {
    const json = {
      added_tokens: [special(0, '[UNK]'), special(1, '[CLS]'), special(2, '[SEP]')],
      normalizer: { type: 'BertNormalizer', lowercase: true, handle_chinese_chars: true },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: { type: 'BertProcessing', cls: ['[CLS]', 1], sep: ['[SEP]', 2] },
      decoder: null,
      model: {
        type: 'WordPiece',
        vocab: { '[UNK]': 0, '[CLS]': 1, '[SEP]': 2, glass: 3, '##es': 4 },
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
      },
    };
    const tokenizer = createTokenizer(definitionOf(json));
    expect(tokenizer.encode('Glasses', { addBos: true })).toEqual([1, 3, 4, 2]);
    expect(tokenizer.decode([1, 3, 4, 3, 2])).toBe('glasses glass');
  });

  it('puts the space before the very beginning only, where the file says so', () => {
    const tokenizer = createTokenizer(
      definitionOf({
        ...sentencePiece,
        normalizer: null,
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
      }),
    );
    expect(tokenizer.encode('ab</s>ab', { special: true })).toEqual([7, 2, 8]);
    expect(tokenizer.encode('</s>ab', { special: true })).toEqual([2, 8]);
  });

  it('drops the white space that a special token takes', () => {
    const added_tokens = [
      special(1, '<s>', { lstrip: true }),
      special(2, '</s>', { rstrip: true }),
    ];
    const tokenizer = createTokenizer(definitionOf({ ...sentencePiece, added_tokens }));
    expect(tokenizer.encode('ab \n<s>ab</s> \nab', { special: true })).toEqual([7, 1, 7, 2, 7]);
  });

  it('recognises tokens that are not special in every text', () => {
    const added_tokens = [special(9, '<think>', { special: false })];
    const tokenizer = createTokenizer(definitionOf({ ...sentencePiece, added_tokens }));
    expect(tokenizer.encode('<think>ab')).toEqual([9, 7]);
    expect(tokenizer.decode([9, 7])).toBe('<think> ab');
  });

  it('takes the template named default of several', () => {
    const chat_template = [
      { name: 'tool_use', template: 'no' },
      { name: 'default', template: '{{ bos_token }}{{ messages[0].content }}' },
    ];
    const definition = definitionOf(sentencePiece, { ...config, chat_template });
    const ids = encodeChat(createTokenizer(definition), definition, [
      { role: 'user', content: 'ab' },
    ]);
    expect(ids).toEqual([1, 7]);
  });

  it('survives the way to the page as JSON', () => {
    const definition = definitionOf(sentencePiece, config);
    const travelled = JSON.parse(JSON.stringify(definition));
    expect(createTokenizer(travelled).encode('ab a')).toEqual([7, 6]);
  });
});

describe('a tokenizer.json that is not valid', () => {
  it.each<[string, object, string]>([
    [
      'model of a kind that is not known',
      { model: { type: 'RWKV', vocab: {} } },
      'tokenizer-unsupported',
    ],
    ['no model', { model: null }, 'model-corrupt'],
    ['no vocabulary', { model: { ...sentencePiece.model, vocab: 7 } }, 'model-corrupt'],
    [
      'an id beyond reason',
      { model: { ...sentencePiece.model, vocab: { a: 2 ** 40 } } },
      'model-corrupt',
    ],
    ['an added token without text', { added_tokens: [{ id: 1 }] }, 'model-corrupt'],
    ['an added token beyond reason', { added_tokens: [special(1e9, 'x')] }, 'model-corrupt'],
    ['a Unigram entry of no text', { model: { type: 'Unigram', vocab: [null] } }, 'model-corrupt'],
  ])('%s', (_, change, code) => {
    const read = () => tokenizerFromJson({ ...sentencePiece, ...change }, config);
    expect(read).toThrow(expect.objectContaining({ code }));
  });

  it('names a part that is not known when the tokenizer is built', () => {
    const definition = definitionOf({ ...sentencePiece, normalizer: { type: 'Rot13' } });
    expect(() => createTokenizer(definition)).toThrow(
      expect.objectContaining({
        code: 'tokenizer-unsupported',
        message: expect.stringContaining('Rot13'),
      }),
    );
  });

  it('never gets an untyped error, whatever stands in it', () => {
    const paths = ['added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'model'];
    const damaged = fc.record({
      path: fc.constantFrom(...paths),
      inner: fc.option(fc.constantFrom('type', 'vocab', 'merges', 'normalizers', 'single')),
      value: fc.jsonValue({ maxDepth: 2 }),
    });
    fc.assert(
      fc.property(damaged, ({ path, inner, value }) => {
        const json: Record<string, unknown> = structuredClone(sentencePiece);
        const part = json[path];
        if (inner && typeof part === 'object' && part !== null)
          json[path] = { ...part, [inner]: value };
        else json[path] = value;
        try {
          createTokenizer(definitionOf(json, config));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(VitrailError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
