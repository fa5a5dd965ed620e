/** What the engines must be told of the shapes of bench/random_model/shapes.py. */
export const shapes = {
  tiny: { layers: 2, kvHeads: 2, headDim: 32, peers: true },
  smol135: { layers: 30, kvHeads: 3, headDim: 64, peers: true },
  qwen05: { layers: 24, kvHeads: 2, headDim: 64, peers: true },
  llama1b: { layers: 16, kvHeads: 8, headDim: 64, peers: true },
  // Beyond the 4 GiB of onnxruntime's and wllama's wasm memory.
  llama8b: { layers: 32, kvHeads: 8, headDim: 128, peers: false },
};
