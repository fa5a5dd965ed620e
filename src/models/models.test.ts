import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { ModelHeader } from '../formats/header.ts';
import { indexOfLargest, ModelFile } from '../testing/model-file.ts';
import { architectureOf } from './registry.ts';

interface Fixture {
  name: string;
  file: string;
  tokens: number[];
  contextLength: number;
}

const folder = new URL('../../e2e/fixtures/models/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder));
const fixtures: Fixture[] = JSON.parse(read('models.json').toString());

function storedLogits(name: string): Float32Array {
  return new Float32Array(Uint8Array.from(read(`${name}.logits.bin`)).buffer);
}

describe('the reference decoder against Hugging Face transformers', () => {
  it.each(fixtures)('$name', ({ name, file, tokens, contextLength }) => {
    const decoder = new ModelFile(read(file)).referenceDecoder({ contextLength });
    const rows = decoder.forward(tokens, 0);
    const expected = storedLogits(name);
    expect(expected.length).toBe(tokens.length * (rows[0]?.length ?? 0));
    const errors = rows.flatMap((row, i) =>
      Array.from(row, (logit, id) =>
        Math.abs(logit - (expected[i * row.length + id] ?? Number.NaN)),
      ),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });
});

const stories = new URL('../../../shared/data/lm/stories260K.gguf', import.meta.url);
if (!existsSync(stories)) console.info('skipped stories260K: ../shared/data is missing');

describe.runIf(existsSync(stories))('the reference decoder against llama.cpp', () => {
  it('continues stories260K with the same 200 tokens', () => {
    const { prompt, ids } = JSON.parse(read('stories260K.greedy.json').toString());
    const decoder = new ModelFile(readFileSync(stories)).referenceDecoder({ contextLength: 256 });
    let logits = decoder.forward(prompt, 0).at(-1);
    const tokens: number[] = [];
    while (tokens.length < ids.length) {
      const token = indexOfLargest(logits ?? []);
      tokens.push(token);
      [logits] = decoder.forward([token], prompt.length + tokens.length - 1);
    }
    expect(tokens).toEqual(ids);
  }, 60_000);
});

describe('safetensors give the logits of the same model in GGUF', () => {
  it.each(['qwen3', 'gemma3'])('%s', (name) => {
    const fixture = fixtures.find((candidate) => candidate.name === name);
    if (!fixture) throw new Error(`no fixture '${name}'`);
    const config = read(`${name}/config.json`).toString();
    const file = new ModelFile(read(`${name}/model.safetensors`), config);
    const rows = file.referenceDecoder(fixture).forward(fixture.tokens, 0);
    const expected = storedLogits(name);
    const errors = rows.flatMap((row, i) =>
      Array.from(row, (logit, id) =>
        Math.abs(logit - (expected[i * row.length + id] ?? Number.NaN)),
      ),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });
});

describe('the header of a model', () => {
  const header = new ModelFile(read('qwen2.gguf')).header;
  const without = (name: string): ModelHeader => {
    const tensors = new Map(header.tensors);
    tensors.delete(name);
    return { ...header, tensors };
  };
  const changed = (key: string, value: string | number): ModelHeader => ({
    ...header,
    metadata: new Map([...header.metadata, [key, value]]),
  });
  const load = (given: ModelHeader) => {
    const architecture = architectureOf(given);
    return architecture.weights(given, architecture.config(given, { contextLength: 64 }));
  };
  const codeOf = (given: ModelHeader) => {
    try {
      load(given);
      return 'fine';
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(VitrailError);
      return `${(thrown as VitrailError).code}: ${(thrown as VitrailError).message}`;
    }
  };

  it('is fine as it is', () => {
    expect(codeOf(header)).toBe('fine');
  });

  it('names an unknown architecture and what is supported', () => {
    const given = changed('general.architecture', 'mamba');
    expect(codeOf(given)).toMatch(/^model-unsupported.*mamba/);
    expect(() => load(given)).toThrow(
      expect.objectContaining({
        fix: expect.stringContaining('llama, qwen2, qwen3, gemma3, phi3'),
      }),
    );
  });

  it('names what is missing or wrong', () => {
    expect(codeOf(without('blk.1.attn_k.bias'))).toMatch(/^model-corrupt.*blk\.1\.attn_k\.bias/);
    expect(codeOf(without('token_embd.weight'))).toMatch(/^model-corrupt.*embedding/);
    expect(codeOf(changed('qwen2.feed_forward_length', 96))).toMatch(/^model-corrupt.*84×32/);
    expect(codeOf(changed('qwen2.attention.head_count', 3))).toMatch(/^model-corrupt/);
    expect(codeOf(changed('qwen2.block_count', 1e9))).toMatch(/^model-corrupt/);
    expect(codeOf(changed('qwen2.embedding_length', 'many'))).toMatch(/^model-corrupt/);
  });
});
