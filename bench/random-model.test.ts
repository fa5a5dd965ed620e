import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ort from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { indexOfLargest, ModelFile } from '../src/testing/model-file.ts';
import { tokenizerFromGguf } from '../src/tokenizer/gguf-tokenizer.ts';
import { TokenText } from '../src/tokenizer/token-text.ts';
import { DecoderSession, type OrtModule } from './peers/ort-decoder.mjs';

const generator = fileURLToPath(new URL('random_model', import.meta.url));
const prompt = [72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100];
const steps = 24;

function hasNumpy(): boolean {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    console.info('skipped: python3 with numpy is missing');
    return false;
  }
}

/** Tokens that stand for a part of a character: no answer with such a token is sure to be text. */
function partsOfCharacters(gguf: Uint8Array): string[] {
  const { definition } = tokenizerFromGguf(new ModelFile(gguf).header.metadata);
  const text = new TokenText(definition);
  return definition.tokens.filter((_, id) => text.bytes(id, false).some((byte) => byte >= 128));
}

function reference(gguf: Uint8Array): { tokens: number[]; logits: Float64Array } {
  const decoder = new ModelFile(gguf).referenceDecoder({ contextLength: 64 });
  let rows = decoder.forward(prompt, 0);
  const logits = rows.at(-1) ?? new Float64Array();
  const tokens: number[] = [];
  while (tokens.length < steps) {
    tokens.push(indexOfLargest(rows.at(-1) ?? []));
    rows = decoder.forward(tokens.slice(-1), prompt.length + tokens.length - 1);
  }
  return { tokens, logits };
}

describe.runIf(hasNumpy())('a random model, made with numpy,', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'random-model-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(['tiny', 'tiny-qwen'])('%s answers alike in both files', async (shape) => {
    const options = ['--onnx', '--float', 'f32', '--accuracy-level', '0', '--context', '64'];
    execFileSync('python3', [generator, '--shape', shape, '--out', folder, ...options]);
    const gguf = readFileSync(join(folder, `${shape}.gguf`));
    const expected = reference(gguf);
    expect(partsOfCharacters(gguf)).toEqual([]);

    ort.env.wasm.numThreads = 1;
    const session = await DecoderSession.create(ort as OrtModule, {
      model: readFileSync(join(folder, `${shape}.onnx`)),
      weights: readFileSync(join(folder, `${shape}.onnx.data`)),
      weightsName: `${shape}.onnx.data`,
      provider: 'wasm',
      contextLength: 64,
      layers: 2,
      kvHeads: 2,
      headDim: 32,
      float: 'float32',
    });
    const logits = await session.run(prompt);
    const errors = Array.from(logits, (logit, i) =>
      Math.abs(logit - (expected.logits[i] ?? Number.NaN)),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-3);
    session.reset();
    const tokens = await session.greedy(prompt, steps);
    expect(tokens).toEqual(expected.tokens);
    expect(new Set(tokens).size, 'the answer is no repetition').toBeGreaterThan(3);
  });
});
