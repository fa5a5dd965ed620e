/** Small vectors, unit quaternions and affine matrices in double precision. */
export type Vec3 = readonly [number, number, number];
/** x, y, z, w */
export type Quaternion = readonly [number, number, number, number];
/** x, y, z, w, written anew from frame to frame. */
export type QuaternionBuffer = Float64Array;
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

/** out = a · b: first b, then a. `out` may be one of them. */
export function multiplyQuaternions(
  out: QuaternionBuffer,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): void {
  const ax = a[0] as number;
  const ay = a[1] as number;
  const az = a[2] as number;
  const aw = a[3] as number;
  const bx = b[0] as number;
  const by = b[1] as number;
  const bz = b[2] as number;
  const bw = b[3] as number;
  out[0] = aw * bx + ax * bw + ay * bz - az * by;
  out[1] = aw * by - ax * bz + ay * bw + az * bx;
  out[2] = aw * bz + ax * by - ay * bx + az * bw;
  out[3] = aw * bw - ax * bx - ay * by - az * bz;
}

/** turn = turn · q, where q turns by the length of (x, y, z), in radians, about its direction. */
export function turnBy(turn: QuaternionBuffer, x: number, y: number, z: number): void {
  const angle = Math.sqrt(x * x + y * y + z * z);
  const scale = angle > 1e-12 ? Math.sin(angle / 2) / angle : 0.5;
  step[0] = x * scale;
  step[1] = y * scale;
  step[2] = z * scale;
  step[3] = Math.cos(angle / 2);
  multiplyQuaternions(turn, turn, step);
}

const step: QuaternionBuffer = new Float64Array(4);

/** No turn. */
export function resetTurn(turn: QuaternionBuffer): void {
  turn.fill(0);
  turn[3] = 1;
}

/** A turn by the length of the vector, in radians, about its direction. */
export function quaternionOfRotationVector([x, y, z]: Vec3): Quaternion {
  const turn: QuaternionBuffer = Float64Array.of(0, 0, 0, 1);
  turnBy(turn, x, y, z);
  return [...turn] as unknown as Quaternion;
}

/** Spherical interpolation along the shorter way (Shoemake 1985), from the quaternion at `a` to the one at `b` of `values`. */
export function slerp(
  out: QuaternionBuffer,
  values: ArrayLike<number>,
  a: number,
  b: number,
  share: number,
): void {
  let cosine = 0;
  for (let i = 0; i < 4; i += 1) cosine += (values[a + i] as number) * (values[b + i] as number);
  const angle = Math.acos(Math.min(1, Math.abs(cosine)));
  const sine = Math.sin(angle);
  const apart = sine >= 1e-6;
  const fromA = apart ? Math.sin((1 - share) * angle) / sine : 1 - share;
  const fromB = (apart ? Math.sin(share * angle) / sine : share) * (cosine < 0 ? -1 : 1);
  let squares = 0;
  for (let i = 0; i < 4; i += 1) {
    const part = (values[a + i] as number) * fromA + (values[b + i] as number) * fromB;
    out[i] = part;
    squares += part * part;
  }
  const length = Math.sqrt(squares) || 1;
  for (let i = 0; i < 4; i += 1) out[i] = (out[i] as number) / length;
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
export function multiplyAffine(
  out: Affine | Float32Array,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): void {
  for (let row = 0; row < 12; row += 4) {
    const x = a[row] as number;
    const y = a[row + 1] as number;
    const z = a[row + 2] as number;
    for (let column = 0; column < 4; column += 1) {
      out[row + column] =
        x * (b[column] as number) +
        y * (b[4 + column] as number) +
        z * (b[8 + column] as number) +
        (column === 3 ? (a[row + 3] as number) : 0);
    }
  }
}

/** out = translation · rotation · scale */
export function composeAffine(
  out: Affine,
  translation: ArrayLike<number>,
  rotation: ArrayLike<number>,
  scale: ArrayLike<number>,
): void {
  const x = rotation[0] as number;
  const y = rotation[1] as number;
  const z = rotation[2] as number;
  const w = rotation[3] as number;
  const across = scale[0] as number;
  const up = scale[1] as number;
  const deep = scale[2] as number;
  out[0] = (1 - 2 * (y * y + z * z)) * across;
  out[1] = 2 * (x * y - w * z) * up;
  out[2] = 2 * (x * z + w * y) * deep;
  out[3] = translation[0] as number;
  out[4] = 2 * (x * y + w * z) * across;
  out[5] = (1 - 2 * (x * x + z * z)) * up;
  out[6] = 2 * (y * z - w * x) * deep;
  out[7] = translation[1] as number;
  out[8] = 2 * (x * z - w * y) * across;
  out[9] = 2 * (y * z + w * x) * up;
  out[10] = (1 - 2 * (x * x + y * y)) * deep;
  out[11] = translation[2] as number;
}

export function transformPoint(m: ArrayLike<number>, [x, y, z]: Vec3): Vec3 {
  const along = (row: number): number =>
    (m[row] ?? 0) * x + (m[row + 1] ?? 0) * y + (m[row + 2] ?? 0) * z + (m[row + 3] ?? 0);
  return [along(0), along(4), along(8)];
}
