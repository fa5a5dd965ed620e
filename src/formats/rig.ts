/** What animates a cloud of splats: expressions, a skeleton, and clips that move it. */
export interface Rig {
  /** Expression (morph target) names. */
  expressions: readonly string[];
  /** Deltas of each expression, sparse: row i moves splat `indices[i]` by `deltas[3i..3i+2]` at weight 1. */
  morphs: readonly { indices: Uint32Array; deltas: Float32Array }[];
  /** Parents stand before their children. */
  joints: readonly Joint[];
  /** [count, 4] joints that move a splat, as indices into `joints`. */
  skinJoints: Uint8Array | Uint16Array;
  /** [count, 4] their weights; a splat's sum is 1. */
  skinWeights: Float32Array;
  clips: readonly Clip[];
}

export interface Joint {
  name: string;
  /** Index of the parent; −1 for a root. */
  parent: number;
  /** Local pose at rest: translation, unit quaternion x, y, z, w, scale. */
  translation: readonly number[];
  rotation: readonly number[];
  scale: readonly number[];
  /** Column-major 4×4: model space at rest → joint space. */
  inverseBind: Float32Array;
}

/** Keyframes of joints. */
export interface Clip {
  name: string;
  durationSeconds: number;
  channels: readonly ClipChannel[];
}

export interface ClipChannel {
  joint: number;
  path: 'translation' | 'rotation' | 'scale';
  /** Ascending, in seconds. */
  times: Float32Array;
  /** [times, 3 or 4] */
  values: Float32Array;
  /** Hold a keyframe until the next one instead of moving towards it. */
  step: boolean;
}
