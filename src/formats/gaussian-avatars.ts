import { corruptSplats, type SplatCloud, setRotation } from './splat-cloud.ts';

/** A triangle mesh: vertices [count, 3] and the three vertices of each triangle. */
export interface TriangleMesh {
  vertices: Float32Array;
  triangles: Uint32Array;
}

/**
 * Places splats that live in frames of triangles (Qian et al. 2024, GaussianAvatars, arXiv 2312.02069, §3.2): of a triangle, T is the
 * mean of its vertices, R its axes, k its size; then μ' = k R μ + T, r' = R r, s' = k s. `binding` names each splat's triangle.
 */
export function placeOnTriangles(
  local: SplatCloud,
  binding: Uint32Array,
  mesh: TriangleMesh,
): SplatCloud {
  if (binding.length !== local.count) {
    throw corruptSplats('gaussian-avatars', `it binds ${binding.length} of ${local.count} splats`);
  }
  const placed: SplatCloud = {
    ...local,
    positions: new Float32Array(local.positions.length),
    scales: new Float32Array(local.scales.length),
    rotations: new Float32Array(local.rotations.length),
  };
  binding.forEach((triangle, i) => {
    placeOne(local, placed, i, frameOf(mesh, triangle));
  });
  return placed;
}

type Vec3 = readonly [number, number, number];

interface Frame {
  origin: Vec3;
  axes: readonly [Vec3, Vec3, Vec3];
  size: number;
}

function frameOf({ vertices, triangles }: TriangleMesh, triangle: number): Frame {
  const corner = (k: number): Vec3 => {
    const vertex = triangles[triangle * 3 + k];
    if (vertex === undefined || vertex * 3 + 2 >= vertices.length) {
      throw corruptSplats('gaussian-avatars', `it names the triangle ${triangle}`);
    }
    return [0, 1, 2].map((axis) => vertices[vertex * 3 + axis] as number) as unknown as Vec3;
  };
  const [a, b, c] = [corner(0), corner(1), corner(2)];
  const origin = a.map((value, i) => (value + (b[i] ?? 0) + (c[i] ?? 0)) / 3) as unknown as Vec3;
  const edge = minus(b, a);
  const other = minus(c, a);
  const first = unit(edge);
  const second = unit(cross(first, other));
  const third = unit(cross(second, first)).map((value) => -value) as unknown as Vec3;
  const size = (Math.hypot(...edge) + Math.abs(dot(third, other))) / 2;
  return { origin, axes: [first, second, third], size };
}

function placeOne(
  local: SplatCloud,
  placed: SplatCloud,
  i: number,
  { origin, axes, size }: Frame,
): void {
  for (let row = 0; row < 3; row += 1) {
    const along = axes.map((axis, k) => (axis[row] ?? 0) * (local.positions[i * 3 + k] ?? 0));
    placed.positions[i * 3 + row] =
      (origin[row] ?? 0) + size * along.reduce((sum, part) => sum + part, 0);
    placed.scales[i * 3 + row] = size * (local.scales[i * 3 + row] ?? 0);
  }
  const [x, y, z, w] = multiply(
    quaternionOf(axes),
    local.rotations.subarray(i * 4, i * 4 + 4) as unknown as readonly number[],
  );
  setRotation(placed.rotations, i, x, y, z, w);
}

function minus(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(a: Vec3): Vec3 {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** The rotation whose columns are the axes (Shepperd 1978: the branch with the largest divisor). */
function quaternionOf([a, b, c]: Frame['axes']): [number, number, number, number] {
  const trace = a[0] + b[1] + c[2];
  if (trace > 0) return [b[2] - c[1], c[0] - a[2], a[1] - b[0], 1 + trace];
  if (a[0] >= b[1] && a[0] >= c[2]) {
    return [1 + a[0] - b[1] - c[2], a[1] + b[0], a[2] + c[0], b[2] - c[1]];
  }
  if (b[1] >= c[2]) return [a[1] + b[0], 1 + b[1] - a[0] - c[2], b[2] + c[1], c[0] - a[2]];
  return [a[2] + c[0], b[2] + c[1], 1 + c[2] - a[0] - b[1], a[1] - b[0]];
}

function multiply(
  [ax, ay, az, aw]: readonly [number, number, number, number],
  [bx = 0, by = 0, bz = 0, bw = 1]: readonly number[],
): [number, number, number, number] {
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ];
}
