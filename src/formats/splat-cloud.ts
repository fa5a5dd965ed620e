import { VitrailError } from '../errors.ts';

export type ShDegree = 0 | 1 | 2 | 3;

/**
 * Splats as every loader gives them. Clouds without a rig have the coordinates of 3DGS (y down, z away from the viewer), rigged
 * ones those of glTF (y up, z towards the viewer).
 */
export interface SplatCloud {
  count: number;
  /** [count, 3] centres. */
  positions: Float32Array;
  /** [count, 3] standard deviations along the axes of the rotation; not logarithms. */
  scales: Float32Array;
  /** [count, 4] unit quaternions x, y, z, w. */
  rotations: Float32Array;
  /** [count] 0..1; not logits. */
  opacities: Float32Array;
  /** [count, 3] colour without the view-dependent part, sRGB-encoded; may leave 0..1, as sums of bands do. */
  colors: Float32Array;
  shDegree: ShDegree;
  /** [count, (shDegree + 1)² − 1, 3] coefficients of the bands from 1 on. */
  sh: Float32Array;
}

/** Band 0 of the real spherical harmonics, 1 / (2√π): colour = ½ + shBand0 · f_dc. */
export const shBand0: number = 0.28209479177387814;

/** More would not fit the GPU's buffers, and a file that claims more is damaged. */
export const maxSplats: number = 2 ** 26;

/** Coefficients a channel beyond band 0: 0, 3, 8 or 15. */
export function restCoefficients(degree: ShDegree): number {
  return (degree + 1) ** 2 - 1;
}

/** A cloud of zeros for a loader to fill. */
export function emptyCloud(count: number, shDegree: ShDegree = 0): SplatCloud {
  return {
    count,
    positions: new Float32Array(count * 3),
    scales: new Float32Array(count * 3),
    rotations: new Float32Array(count * 4),
    opacities: new Float32Array(count),
    colors: new Float32Array(count * 3),
    shDegree,
    sh: new Float32Array(count * restCoefficients(shDegree) * 3),
  };
}

/** Writes a unit quaternion; zeros and nonsense become no rotation. */
export function setRotation(
  rotations: Float32Array,
  index: number,
  x: number,
  y: number,
  z: number,
  w: number,
): void {
  const length = Math.sqrt(x * x + y * y + z * z + w * w);
  const valid = length > 0 && Number.isFinite(length);
  rotations[index * 4] = valid ? x / length : 0;
  rotations[index * 4 + 1] = valid ? y / length : 0;
  rotations[index * 4 + 2] = valid ? z / length : 0;
  rotations[index * 4 + 3] = valid ? w / length : 1;
}

/**
 * Writes a quaternion stored by its three smaller components. `largest` counts w, x, y, z; a, b and c are the others in
 * that order.
 */
export function setSmallestThree(
  rotations: Float32Array,
  index: number,
  largest: number,
  a: number,
  b: number,
  c: number,
): void {
  const m = Math.sqrt(Math.max(0, 1 - a * a - b * b - c * c));
  if (largest === 0) setRotation(rotations, index, a, b, c, m);
  else if (largest === 1) setRotation(rotations, index, m, b, c, a);
  else if (largest === 2) setRotation(rotations, index, b, m, c, a);
  else setRotation(rotations, index, b, c, m, a);
}

/** The degree whose bands have this many coefficients a channel; null where none has. */
export function degreeOfRest(coefficients: number): ShDegree | null {
  const degrees: readonly ShDegree[] = [0, 1, 2, 3];
  return degrees.find((degree) => restCoefficients(degree) === coefficients) ?? null;
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** A splat file that is damaged. `format` is the stem of the loader. */
export function corruptSplats(format: string, reason: string): VitrailError {
  return new VitrailError('model-corrupt', `The splat file cannot be read: ${reason}.`, {
    where: `formats/${format}`,
    fix: 'Download or export the file again, and check that the address gives the file itself and not a web page about it.',
    detail: { format },
  });
}

/** A sound file in a form that is not read. */
export function unsupportedSplats(format: string, what: string, fix: string): VitrailError {
  return new VitrailError('model-unsupported', `${what} is not supported.`, {
    where: `formats/${format}`,
    fix,
    detail: { format },
  });
}

/** Throws `model-corrupt` for counts that no file can have. */
export function checkedCount(format: string, count: number, least = 0): number {
  if (!Number.isInteger(count) || count < least || count > maxSplats) {
    throw corruptSplats(format, `it claims ${count} splats`);
  }
  return count;
}
