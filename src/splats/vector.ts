/** Small vectors, unit quaternions and affine matrices in double precision. */
export type Vec3 = readonly [number, number, number];
/** x, y, z, w */
export type Quaternion = readonly [number, number, number, number];
/** Row-major 3×4: the last row is 0, 0, 0, 1. */
export type Affine = Float64Array;

export function subtract(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

export function normalize(a: Vec3): Vec3 {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** First b, then a. */
export function multiplyQuaternions(a: Quaternion, b: Quaternion): Quaternion {
  return [
    a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
    a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
    a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
    a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
  ];
}

/** A turn by the length of the vector, in radians, about its direction. */
export function quaternionOfRotationVector(v: Vec3): Quaternion {
  const angle = Math.hypot(...v);
  const scale = angle > 1e-12 ? Math.sin(angle / 2) / angle : 0.5;
  return [v[0] * scale, v[1] * scale, v[2] * scale, Math.cos(angle / 2)];
}

/** Spherical interpolation along the shorter way (Shoemake 1985). */
export function slerp(a: Quaternion, b: Quaternion, share: number): Quaternion {
  const cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const sign = cosine < 0 ? -1 : 1;
  const angle = Math.acos(Math.min(1, Math.abs(cosine)));
  const sine = Math.sin(angle);
  const [fromA, fromB] =
    sine < 1e-6
      ? [1 - share, share]
      : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
  const mix = (i: 0 | 1 | 2 | 3): number => a[i] * fromA + b[i] * fromB * sign;
  const mixed = [mix(0), mix(1), mix(2), mix(3)] as const;
  const length = Math.hypot(...mixed) || 1;
  return [mixed[0] / length, mixed[1] / length, mixed[2] / length, mixed[3] / length];
}

/** Nine numbers, row-major. */
export function rotationMatrix(
  x: number,
  y: number,
  z: number,
  w: number,
): readonly [number, number, number, number, number, number, number, number, number] {
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
  ];
}

/** out = a · b for affine matrices; `out` is neither of them. */
export function multiplyAffine(out: Affine, a: ArrayLike<number>, b: ArrayLike<number>): void {
  for (let row = 0; row < 12; row += 4) {
    const [x = 0, y = 0, z = 0, w = 0] = [a[row], a[row + 1], a[row + 2], a[row + 3]];
    for (let column = 0; column < 4; column += 1) {
      const sum = x * (b[column] ?? 0) + y * (b[4 + column] ?? 0) + z * (b[8 + column] ?? 0);
      out[row + column] = column === 3 ? sum + w : sum;
    }
  }
}

/** out = translation · rotation · scale */
export function composeAffine(
  out: Affine,
  translation: ArrayLike<number>,
  rotation: Quaternion,
  scale: ArrayLike<number>,
): void {
  const matrix = rotationMatrix(...rotation);
  for (let row = 0; row < 3; row += 1) {
    for (let column = 0; column < 3; column += 1) {
      out[row * 4 + column] = (matrix[row * 3 + column] as number) * (scale[column] ?? 1);
    }
    out[row * 4 + 3] = translation[row] ?? 0;
  }
}

export function transformPoint(m: ArrayLike<number>, [x, y, z]: Vec3): Vec3 {
  const along = (row: number): number =>
    (m[row] ?? 0) * x + (m[row + 1] ?? 0) * y + (m[row + 2] ?? 0) * z + (m[row + 3] ?? 0);
  return [along(0), along(4), along(8)];
}
