import type { Gpu } from '../gpu/gpu.ts';
import { sampledRing, sampledTokens } from '../kernels/sample.ts';
import { type Decoder, samplingBytes } from '../models/decoder.ts';

const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };

/** What a decoder samples greedily: the prompt in passes of these sizes, then `count` tokens, the n-th burst of them n long. */
export async function greedyTokens(
  gpu: Gpu,
  decoder: Decoder,
  prompt: readonly number[],
  passes: readonly number[],
  count: number,
): Promise<number[]> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = gpu.createBuffer('tokens', samplingBytes, usage);
  decoder.beginSampling(greedy, []);
  let first = 0;
  for (const rows of passes) {
    const part = prompt.slice(first, first + rows);
    if (first + rows < prompt.length) decoder.pass(part, first);
    else decoder.passAndSample(part, first, true, staging);
    first += rows;
  }
  const tokens: number[] = [];
  let arriving = 1;
  for (let steps = 1; tokens.length < count; steps += 1) {
    const ring = new Uint32Array(await gpu.readStaging(staging, samplingBytes));
    tokens.push(...sampledTokens(ring, tokens.length, arriving));
    const next = Math.min(steps, sampledRing, count - tokens.length);
    if (next > 0) decoder.steps(next, prompt.length + tokens.length - 1, true, staging);
    arriving = next;
  }
  gpu.destroyBuffer(staging);
  return tokens;
}
