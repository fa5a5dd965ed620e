import type { Rig } from '../formats/rig.ts';
import { restCoefficients, type SplatCloud } from '../formats/splat-cloud.ts';
import { shWords } from '../kernels/splat-project.ts';
import { numberToHalf } from '../quant/half.ts';
import type { Pose } from './pose.ts';

/** [count, 12] words: centre, opacity; covariance xx xy xz yy yz zz; colour as three halves. */
export function packSplats(cloud: SplatCloud): Float32Array<ArrayBuffer> {
  const { count, positions, opacities, colors } = cloud;
  const packed = new Float32Array(count * 12);
  const words = new Uint32Array(packed.buffer);
  for (let i = 0; i < count; i += 1) {
    const at = i * 12;
    const from = i * 3;
    packed[at] = positions[from] as number;
    packed[at + 1] = positions[from + 1] as number;
    packed[at + 2] = positions[from + 2] as number;
    packed[at + 3] = opacities[i] as number;
    packCovariance(cloud, i, packed, at + 4);
    words[at + 10] = packHalves(colors[from] as number, colors[from + 1] as number);
    words[at + 11] = packHalves(colors[from + 2] as number, 0);
  }
  return packed;
}

/** xx xy xz yy yz zz of R S Sᵀ Rᵀ. Runs for millions of splats: it allocates nothing. */
function packCovariance(
  { rotations, scales }: SplatCloud,
  i: number,
  out: Float32Array,
  at: number,
): void {
  const x = rotations[i * 4] as number;
  const y = rotations[i * 4 + 1] as number;
  const z = rotations[i * 4 + 2] as number;
  const w = rotations[i * 4 + 3] as number;
  const sx = (scales[i * 3] as number) ** 2;
  const sy = (scales[i * 3 + 1] as number) ** 2;
  const sz = (scales[i * 3 + 2] as number) ** 2;
  const xx = 1 - 2 * (y * y + z * z);
  const xy = 2 * (x * y - w * z);
  const xz = 2 * (x * z + w * y);
  const yx = 2 * (x * y + w * z);
  const yy = 1 - 2 * (x * x + z * z);
  const yz = 2 * (y * z - w * x);
  const zx = 2 * (x * z - w * y);
  const zy = 2 * (y * z + w * x);
  const zz = 1 - 2 * (x * x + y * y);
  out[at] = xx * xx * sx + xy * xy * sy + xz * xz * sz;
  out[at + 1] = xx * yx * sx + xy * yy * sy + xz * yz * sz;
  out[at + 2] = xx * zx * sx + xy * zy * sy + xz * zz * sz;
  out[at + 3] = yx * yx * sx + yy * yy * sy + yz * yz * sz;
  out[at + 4] = yx * zx * sx + yy * zy * sy + yz * zz * sz;
  out[at + 5] = zx * zx * sx + zy * zy * sy + zz * zz * sz;
}

/** [count, shWords] coefficients with their three channels, as pairs of halves. */
export function packSphericalHarmonics(cloud: SplatCloud): Uint32Array<ArrayBuffer> {
  const { count, shDegree, sh } = cloud;
  const stride = shWords(shDegree) * 2;
  const values = restCoefficients(shDegree) * 3;
  const halves = new Uint16Array(count * stride);
  for (let i = 0; i < count; i += 1) {
    for (let k = 0; k < values; k += 1) {
      halves[i * stride + k] = numberToHalf(sh[i * values + k] as number);
    }
  }
  return new Uint32Array(halves.buffer);
}

export interface PackedRig {
  /** [count + 1, 4] joints as bytes, weights as 16-bit shares, where the splat's morphs begin. */
  skin: Uint32Array<ArrayBuffer>;
  /** [entries, 2] expression and delta as halves, splat by splat. */
  morphs: Uint32Array<ArrayBuffer>;
}

/** Sparse morph targets turned from expression by expression to splat by splat, so that each splat gathers its own. */
export function packRig(rig: Rig, pose: Pose, count: number): PackedRig {
  const starts = new Uint32Array(count + 1);
  for (const { indices } of rig.morphs) {
    for (const splat of indices) starts[splat + 1] = (starts[splat + 1] as number) + 1;
  }
  for (let i = 0; i < count; i += 1) {
    starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  }
  return { skin: packSkin(rig, pose, starts), morphs: packMorphs(rig, starts) };
}

function packMorphs(rig: Rig, starts: Uint32Array): Uint32Array<ArrayBuffer> {
  const next = starts.slice();
  const entries = starts.at(-1) as number;
  const morphs = new Uint32Array(Math.max(1, entries) * 2);
  rig.morphs.forEach(({ indices, deltas }, expression) => {
    indices.forEach((splat, k) => {
      const at = next[splat] as number;
      next[splat] = at + 1;
      const delta = (axis: number): number => deltas[k * 3 + axis] as number;
      morphs[at * 2] = (expression | (numberToHalf(delta(0)) << 16)) >>> 0;
      morphs[at * 2 + 1] = packHalves(delta(1), delta(2));
    });
  });
  return morphs;
}

function packSkin(rig: Rig, pose: Pose, starts: Uint32Array): Uint32Array<ArrayBuffer> {
  const slots = new Map(pose.liveJoints.map((joint, slot) => [joint, slot]));
  const skin = new Uint32Array(starts.length * 4);
  for (let i = 0; i + 1 < starts.length; i += 1) {
    const weight = (k: number): number => rig.skinWeights[i * 4 + k] as number;
    const slot = (k: number): number =>
      weight(k) > 0 ? (slots.get(rig.skinJoints[i * 4 + k] as number) ?? 0) : 0;
    skin[i * 4] = (slot(0) | (slot(1) << 8) | (slot(2) << 16) | (slot(3) << 24)) >>> 0;
    skin[i * 4 + 1] = packShares(weight(0), weight(1));
    skin[i * 4 + 2] = packShares(weight(2), weight(3));
  }
  starts.forEach((start, i) => {
    skin[i * 4 + 3] = start;
  });
  return skin;
}

function packShares(low: number, high: number): number {
  return (Math.round(low * 65_535) | (Math.round(high * 65_535) << 16)) >>> 0;
}

function packHalves(low: number, high: number): number {
  return (numberToHalf(low) | (numberToHalf(high) << 16)) >>> 0;
}

/** Floats of the uniform and storage that a pose needs on the GPU: matrices, then weights in fours. */
export function poseFloats(pose: Pose): number {
  return pose.skinMatrices.length + Math.ceil(pose.weights.length / 4) * 4;
}
