/** Runs in the page: the engines behind one interface, so that each is asked for the same. `window.engines` makes them. */
import { DecoderSession } from './ort-decoder.mjs';

/**
 * @typedef {object} BenchModel
 * @property {string} shape
 * @property {number} contextLength
 * @property {'float16' | 'float32'} float
 * @property {number} layers
 * @property {number} kvHeads
 * @property {number} headDim
 *
 * @typedef {object} Sample
 * @property {number} prefillMs From the question to the first token.
 * @property {number} decodeMs From the first token to the last.
 * @property {number} decodedTokens Tokens after the first.
 * @property {number[]} [tokens]
 *
 * @typedef {object} LoadedEngine
 * @property {number} loadMs
 * @property {Record<string, unknown>} info
 * @property {(prompt: number[], count: number) => Promise<Sample>} ask
 * @property {() => Promise<void>} dispose
 */

/** @type {Record<string, (model: BenchModel) => Promise<LoadedEngine>>} */
const engines = { vitrail, onnxruntime, wllama };
window.engines = engines;

/** The address of a file of a peer. */
const peerFile = (name) => new URL(`/peers/${name}`, location.href).href;

async function vitrail({ shape, contextLength }) {
  const began = performance.now();
  const runtime = await window.vitrail.createRuntime({ powerPreference: 'high-performance' });
  const model = await runtime.loadModel(new URL(`/models/${shape}.gguf`, location.href), {
    contextLength,
    cache: false,
  });
  const loadMs = performance.now() - began;
  const calls = await callsOfAToken(runtime, model);
  const { tier, adapter } = runtime.info;
  const { gpuBytes } = await runtime.stats();
  return {
    loadMs,
    info: { tier, adapter, gpuBytes, weightBytes: model.info.weightBytes, calls },
    async ask(prompt, count) {
      const options = { temperature: 0, maxTokens: count, ignoreEos: true };
      const { tokens, timing, usage } = await model.complete(prompt, options).result;
      // The peers keep nothing of the prompt before.
      if (usage.cachedTokens > 0) throw new Error('a part of the prompt was computed already');
      const decodedTokens = tokens.length - 1;
      const decodeMs = (1000 * decodedTokens) / timing.decodeTokensPerSecond;
      return { prefillMs: timing.ttftMs, decodeMs, decodedTokens, tokens };
    },
    async dispose() {
      await model.dispose();
      await runtime.dispose();
    },
  };
}

/** WebGPU calls of one more token: the difference of two short answers to prompts that share no beginning. */
async function callsOfAToken(runtime, model) {
  const counted = async (maxTokens) => {
    const before = (await runtime.stats()).calls;
    const options = { temperature: 0, maxTokens, ignoreEos: true };
    await model.complete([65 + maxTokens, 66, 67], options).result;
    const after = (await runtime.stats()).calls;
    return Object.entries(after).map(([name, value]) => [name, value - before[name]]);
  };
  const [few, more] = [await counted(1), await counted(3)];
  return Object.fromEntries(more.map(([name, value], i) => [name, (value - few[i][1]) / 2]));
}

async function onnxruntime({ shape, ...model }) {
  const began = performance.now();
  const ort = await import(peerFile('ort.webgpu.bundle.min.mjs'));
  ort.env.wasm.wasmPaths = peerFile('');
  ort.env.webgpu.powerPreference = 'high-performance';
  const session = await DecoderSession.create(ort, {
    ...model,
    model: `/models/${shape}.onnx`,
    weights: `/models/${shape}.onnx.data`,
    weightsName: `${shape}.onnx.data`,
    provider: 'webgpu',
  });
  return {
    loadMs: performance.now() - began,
    info: { version: ort.env.versions?.web ?? '', float: model.float },
    async ask(prompt, count) {
      session.reset();
      const times = [performance.now()];
      const tokens = await session.greedy(prompt, count, () => times.push(performance.now()));
      return {
        prefillMs: times[1] - times[0],
        decodeMs: times.at(-1) - times[1],
        decodedTokens: count - 1,
        tokens,
      };
    },
    dispose: () => session.dispose(),
  };
}

async function wllama({ shape, contextLength }) {
  const began = performance.now();
  const { Wllama, LoggerWithoutDebug } = await import(peerFile('wllama.js'));
  const lines = [];
  const keep = (...parts) => lines.push(parts.join(' '));
  const logger = { ...LoggerWithoutDebug, debug: keep, log: keep, warn: keep, error: keep };
  const wasm = peerFile('wllama.wasm');
  const instance = new Wllama({ default: wasm }, { allowOffline: true, logger });
  const file = await (await fetch(`/models/${shape}.gguf`)).blob();
  await instance.loadModel([file], { n_ctx: contextLength, log_level: 2 });
  return {
    loadMs: performance.now() - began,
    info: {
      version: Wllama.getLibllamaVersion(),
      threads: instance.getNumThreads(),
      // It falls back to the CPU in silence: its log is the only witness.
      webgpu: lines.some((line) => /webgpu.*(buffer size|device)/i.test(line)),
    },
    async ask(prompt, count) {
      const options = {
        prompt: String.fromCharCode(...prompt),
        max_tokens: count,
        temperature: 0,
        top_k: 1,
        ignore_eos: true,
        cache_prompt: false,
        timings_per_token: true,
      };
      const { timings } = await instance.createCompletion(options).catch((thrown) => {
        // What llama.cpp throws stands in the log alone; what comes of it is an unreadable answer.
        const reason = lines.findLast((line) => !line.includes('RangeError'));
        throw new Error(`${reason} (${thrown.message})`);
      });
      // llama.cpp's own clock; it counts the prompt without the first token's sampling.
      return {
        prefillMs: timings.prompt_ms,
        decodeMs: timings.predicted_ms,
        decodedTokens: timings.predicted_n,
        promptTokens: timings.prompt_n,
      };
    },
    dispose: () => instance.exit(),
  };
}
