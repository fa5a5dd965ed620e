import type { FrameFit } from '../kernels/frame-settings.ts';
import type { Graph } from './graph.ts';
import type { WeightFile } from './weight-file.ts';

/** What a file's tensors and metadata make of an architecture. */
export interface DetectorNetwork {
  /** A name for each class of boxes where the metadata gives none. Empty: the network gives no boxes. */
  labels: readonly string[];
  /**
   * The graph for images of height × width. Outputs, each where the network has it: `box0`…`box2` and `score0`…`score2` at strides 8,
   * 16 and 32, `drivable` and `lanes` at the size of the image.
   */
  graph(height: number, width: number): Graph;
}

/** A kind of detector: how its files are told from others, what it looks at, and the network in them. */
export interface DetectorArchitecture {
  /** `architecture` in the metadata of a file that has any. */
  id: string;
  name: string;
  /** Tensors that together mark a file without metadata, as models are often published. */
  marks: readonly string[];
  /** The size of image that it was trained for, where the metadata gives none, and what the height is a multiple of. */
  input: { height: number; width: number; heightStep: number };
  fit: FrameFit;
  /** Throws `model-corrupt` and `model-unsupported`. */
  network(file: WeightFile): DetectorNetwork;
}
