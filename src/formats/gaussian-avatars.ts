import type { RiggedCloud } from './lam.ts';
import { type NpyArray, parseNpz } from './npz.ts';
import { parsePlySplats } from './ply-splats.ts';
import type { Rig } from './rig.ts';
import { corruptSplats, type SplatCloud, setRotation, unsupportedSplats } from './splat-cloud.ts';

/** A triangle mesh: vertices [count, 3] and the three vertices of each triangle. */
export interface TriangleMesh {
  vertices: Float32Array;
  triangles: Uint32Array;
}

/** A mesh with what it can express: [expressions, vertices, 3] differences from the vertices. */
interface ExpressiveMesh extends TriangleMesh {
  names: readonly string[];
  expressions: ArrayLike<number>;
}

/**
 * A head of GaussianAvatars: splats of a PLY file, each bound to a triangle (`binding_0`) of the mesh in a NumPy archive with `vertices`,
 * `triangles` and, where it has them, `expressions` and `expression_names`. Expressions move the centres; one joint, `head`, turns all.
 * Throws `model-corrupt` and `model-unsupported`.
 */
export async function readGaussianAvatar(ply: Uint8Array, npz: Uint8Array): Promise<RiggedCloud> {
  const { cloud: local, binding } = parsePlySplats(ply);
  if (!binding) {
    throw unsupportedSplats(
      'gaussian-avatars',
      'An archive with a mesh for splats that are bound to none',
      'Open the PLY file by itself, or one with binding_0.',
    );
  }
  const mesh = meshOf(await parseNpz(npz));
  const cloud = placeOnTriangles(local, binding, mesh);
  const morphs = mesh.names.map((_, expression) =>
    morphOf(local, binding, mesh, cloud, expression),
  );
  return { cloud, rig: { expressions: mesh.names, morphs, clips: [], ...headOf(cloud) } };
}

function meshOf(arrays: ReadonlyMap<string, NpyArray>): ExpressiveMesh {
  const vertices = numbersOf(arrays, 'vertices');
  const triangles = numbersOf(arrays, 'triangles');
  if (!vertices || !triangles) {
    throw unsupportedSplats(
      'gaussian-avatars',
      'An archive without the mesh of its splats',
      'Parameters of FLAME are not its mesh: save vertices and triangles as well, in the pose in which the splats were bound.',
    );
  }
  const expressions = numbersOf(arrays, 'expressions') ?? [];
  const names = Array.from<unknown>(arrays.get('expression_names')?.values ?? []).map(arkitName);
  if (expressions.length !== names.length * vertices.length) {
    throw corruptSplats(
      'gaussian-avatars',
      'its expressions are not those of its names and vertices',
    );
  }
  return {
    vertices: Float32Array.from(vertices),
    triangles: Uint32Array.from(triangles),
    names,
    expressions,
  };
}

function numbersOf(arrays: ReadonlyMap<string, NpyArray>, name: string): ArrayLike<number> | null {
  const values = arrays.get(name)?.values;
  if (!values) return null;
  if (!Array.isArray(values) && !(values instanceof BigInt64Array)) return values;
  return Array.from(values, Number);
}

/** `browDown_L` of ICT-FaceKit is `browDownLeft` of ARKit. */
function arkitName(name: unknown): string {
  return String(name).replace(/_L$/, 'Left').replace(/_R$/, 'Right');
}

/** How far an expression at weight 1 moves the splats of the triangles that it moves. */
function morphOf(
  local: SplatCloud,
  binding: Uint32Array,
  mesh: ExpressiveMesh,
  rest: SplatCloud,
  expression: number,
): Rig['morphs'][number] {
  const first = expression * mesh.vertices.length;
  const vertices = mesh.vertices.map((at, i) => at + (mesh.expressions[first + i] as number));
  const moved = Uint32Array.from(binding.keys()).filter((splat) => {
    const corner = (binding[splat] as number) * 3;
    return mesh.triangles
      .subarray(corner, corner + 3)
      .some((vertex) => [0, 1, 2].some((axis) => mesh.expressions[first + vertex * 3 + axis]));
  });
  const deltas = new Float32Array(moved.length * 3);
  moved.forEach((splat, k) => {
    const frame = frameOf({ ...mesh, vertices }, binding[splat] as number);
    placeCenter(local, deltas, splat, k, frame);
    for (let axis = 0; axis < 3; axis += 1) {
      const at = k * 3 + axis;
      deltas[at] = (deltas[at] as number) - (rest.positions[splat * 3 + axis] as number);
    }
  });
  return { indices: moved, deltas };
}

/** One joint in the middle. */
function headOf({
  positions,
  count,
}: SplatCloud): Pick<Rig, 'joints' | 'skinJoints' | 'skinWeights'> {
  const translation = [0, 1, 2].map((axis) => {
    const along = positions.filter((_, i) => i % 3 === axis);
    return along.reduce((sum, at) => sum + at, 0) / Math.max(1, count);
  });
  const inverseBind = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
  inverseBind.set(
    translation.map((at) => -at),
    12,
  );
  const joint = { name: 'head', parent: -1, translation, rotation: [0, 0, 0, 1], scale: [1, 1, 1] };
  return {
    joints: [{ ...joint, inverseBind }],
    skinJoints: new Uint8Array(count * 4),
    skinWeights: Float32Array.from({ length: count * 4 }, (_, i) => (i % 4 === 0 ? 1 : 0)),
  };
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

function placeOne(local: SplatCloud, placed: SplatCloud, i: number, frame: Frame): void {
  placeCenter(local, placed.positions, i, i, frame);
  for (let axis = 0; axis < 3; axis += 1) {
    placed.scales[i * 3 + axis] = frame.size * (local.scales[i * 3 + axis] ?? 0);
  }
  const [x, y, z, w] = multiply(
    quaternionOf(frame.axes),
    local.rotations.subarray(i * 4, i * 4 + 4) as unknown as readonly number[],
  );
  setRotation(placed.rotations, i, x, y, z, w);
}

function placeCenter(
  { positions }: SplatCloud,
  target: Float32Array,
  splat: number,
  at: number,
  { origin, axes, size }: Frame,
): void {
  for (let row = 0; row < 3; row += 1) {
    const along = axes.map((axis, k) => (axis[row] ?? 0) * (positions[splat * 3 + k] ?? 0));
    target[at * 3 + row] = (origin[row] ?? 0) + size * along.reduce((sum, part) => sum + part, 0);
  }
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
