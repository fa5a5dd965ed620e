import { throwIfAborted, toVitrailError } from '../errors.ts';
import type { TensorInfo } from '../formats/header.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Decoder } from '../models/decoder.ts';
import { DecoderWeights } from '../models/decoder-weights.ts';
import type { OpenModel } from '../storage/weight-store.ts';
import type { LoadOptions, LoadProgress } from '../types.ts';
import type { GeneratorTokenizer } from './generation-run.ts';
import { Generator } from './generator.ts';
import type { ModelPlan } from './model-plan.ts';

/** Bytes that may wait for the GPU at once: `writeBuffer` copies, and unbounded copies would pile up in memory. */
const uploadWindowBytes = 64 * 2 ** 20;

/** What is on the GPU of one model; replaced as a whole when the device is lost. */
export interface Loaded {
  weights: DecoderWeights;
  decoder: Decoder;
  generator: Generator;
}

/** Compiles and uploads side by side. What is allocated is freed again when anything fails. */
export async function uploadModel(
  gpu: Gpu,
  file: OpenModel,
  { architecture, config, contextLength, kvCache }: ModelPlan,
  tokenizer: GeneratorTokenizer,
  options: LoadOptions,
): Promise<Loaded> {
  const names = architecture.weights(file.header, config);
  const formatOf = (tensor: TensorInfo) => file.formatOf(tensor);
  let weights: DecoderWeights | undefined;
  const allocation = gpu.withMemoryCheck(() => {
    weights = new DecoderWeights(gpu, config, names, file.header.tensors, formatOf);
    return weights;
  });
  allocation.catch(() => undefined);
  // The GPU's verdict takes as long as reading the first shards: what is stored already is read meanwhile.
  if (!weights || !file.cached) weights = await allocation;
  const compiling = Decoder.create(gpu, config, weights, { contextLength, kvCache });
  compiling.catch(() => undefined);
  try {
    await uploadChunks(gpu, file, weights, allocation, options);
    options.onProgress?.(compileProgress(file));
    const decoder = await compiling;
    decoder.writeRopeTables(weights.vectors);
    throwIfAborted(options.signal, 'model/load');
    const generator = new Generator(gpu, decoder, tokenizer);
    return { weights, decoder, generator };
  } catch (thrown) {
    await compiling.then((decoder) => decoder.dispose()).catch(() => undefined);
    weights.dispose();
    throw toVitrailError(thrown, 'model/load');
  }
}

export async function unload({ weights, decoder, generator }: Loaded): Promise<void> {
  await generator.dispose();
  decoder.dispose();
  weights.dispose();
}

async function uploadChunks(
  gpu: Gpu,
  file: OpenModel,
  weights: DecoderWeights,
  allocation: Promise<unknown>,
  options: LoadOptions,
): Promise<void> {
  let waiting = 0;
  for await (const chunk of file.chunks()) {
    await allocation;
    throwIfAborted(options.signal, 'model/upload');
    gpu.checkAlive();
    weights.upload(chunk);
    waiting += chunk.bytes.byteLength;
    if (waiting < uploadWindowBytes) continue;
    await gpu.device.queue.onSubmittedWorkDone();
    waiting = 0;
  }
}

/** All bytes are there; what is left is the compiler's, which says nothing of its progress. */
function compileProgress({ gpuBytes, cached }: OpenModel): LoadProgress {
  return {
    phase: 'compile',
    loadedBytes: gpuBytes,
    totalBytes: gpuBytes,
    cached,
    bytesPerSecond: 0,
    etaMs: 0,
  };
}
