export interface DecoderFiles {
  model: string | Uint8Array;
  weights: string | Uint8Array;
  weightsName: string;
  provider: 'webgpu' | 'wasm';
  contextLength: number;
  layers: number;
  kvHeads: number;
  headDim: number;
  float: 'float16' | 'float32';
}

/** The parts of onnxruntime-web that are used. */
export type OrtModule = Pick<
  typeof import('onnxruntime-web'),
  'InferenceSession' | 'Tensor' | 'env'
>;

export class DecoderSession {
  static create(ort: OrtModule, files: DecoderFiles): Promise<DecoderSession>;
  reset(): void;
  run(tokens: readonly number[]): Promise<Float32Array>;
  greedy(prompt: readonly number[], count: number, onToken?: () => void): Promise<number[]>;
  dispose(): Promise<void>;
}
