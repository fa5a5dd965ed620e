/** Greedy decoding with onnxruntime-web, as fast as it can be asked to: on WebGPU one buffer is both the past and the present of a layer. */

/**
 * @typedef {object} DecoderFiles
 * @property {string | Uint8Array} model Address or bytes of the .onnx file.
 * @property {string | Uint8Array} weights Address or bytes of the file of weights.
 * @property {string} weightsName What the .onnx file calls it.
 * @property {'webgpu' | 'wasm'} provider
 * @property {number} contextLength Tokens that the cache holds.
 * @property {number} layers
 * @property {number} kvHeads
 * @property {number} headDim
 * @property {'float16' | 'float32'} float
 */

export class DecoderSession {
  #ort;
  #session;
  #files;
  #device;
  #caches;
  #position = 0;

  /**
   * @param {object} ort The module onnxruntime-web.
   * @param {DecoderFiles} files
   */
  static async create(ort, files) {
    const session = await ort.InferenceSession.create(files.model, {
      executionProviders: [files.provider],
      externalData: [{ path: files.weightsName, data: files.weights }],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
    const device = files.provider === 'webgpu' ? await ort.env.webgpu.device : null;
    return new DecoderSession(ort, session, files, device);
  }

  constructor(ort, session, files, device) {
    this.#ort = ort;
    this.#session = session;
    this.#files = files;
    this.#device = device;
    this.reset();
  }

  /** Forgets what was run. */
  reset() {
    this.#position = 0;
    if (this.#device && this.#caches) return;
    this.#caches = Array.from({ length: this.#files.layers }, () => ({
      key: this.#emptyCache(),
      value: this.#emptyCache(),
    }));
  }

  /**
   * The logits after the last of these tokens, which follow those of earlier calls.
   * @param {readonly number[]} tokens
   * @returns {Promise<Float32Array>} [vocabulary]
   */
  async run(tokens) {
    const { Tensor } = this.#ort;
    const total = this.#position + tokens.length;
    const feeds = {
      input_ids: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      seqlens_k: new Tensor('int32', Int32Array.of(total - 1), [1]),
      total_sequence_length: new Tensor('int32', Int32Array.of(total), [1]),
    };
    const fetches = { logits: null };
    this.#caches.forEach(({ key, value }, layer) => {
      feeds[`past_key.${layer}`] = key;
      feeds[`past_value.${layer}`] = value;
      fetches[`present_key.${layer}`] = this.#device ? key : null;
      fetches[`present_value.${layer}`] = this.#device ? value : null;
    });
    const results = await this.#session.run(feeds, fetches);
    this.#position = total;
    if (!this.#device) this.#caches = this.#caches.map((_, layer) => grownCache(results, layer));
    return results.logits.data;
  }

  /**
   * The likeliest `count` tokens after the prompt. `onToken` hears of each as it is there.
   * @param {readonly number[]} prompt
   * @param {number} count
   * @param {() => void} [onToken]
   */
  async greedy(prompt, count, onToken = () => undefined) {
    const tokens = [];
    let next = prompt;
    while (tokens.length < count) {
      const logits = await this.run(next);
      let best = 0;
      for (let i = 1; i < logits.length; i += 1) if (logits[i] > logits[best]) best = i;
      tokens.push(best);
      onToken();
      next = [best];
    }
    return tokens;
  }

  async dispose() {
    await this.#session.release();
    if (!this.#device) return;
    for (const { key, value } of this.#caches) {
      key.gpuBuffer.destroy();
      value.gpuBuffer.destroy();
    }
  }

  /** On WebGPU room for the whole context, to be written in place; else nothing yet: each run returns a longer cache. */
  #emptyCache() {
    const { Tensor } = this.#ort;
    const { kvHeads, contextLength, headDim, float } = this.#files;
    if (!this.#device) {
      const none = float === 'float32' ? new Float32Array() : new Uint16Array();
      return new Tensor(float, none, [1, kvHeads, 0, headDim]);
    }
    const dims = [1, kvHeads, contextLength, headDim];
    const elementBytes = float === 'float32' ? 4 : 2;
    const size = kvHeads * contextLength * headDim * elementBytes;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.#device.createBuffer({ size, usage });
    return Tensor.fromGpuBuffer(buffer, { dataType: float, dims });
  }
}

function grownCache(results, layer) {
  return { key: results[`present_key.${layer}`], value: results[`present_value.${layer}`] };
}
