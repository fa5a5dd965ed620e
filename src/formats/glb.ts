import { corruptSplats, unsupportedSplats } from './splat-cloud.ts';

/** The parts of glTF 2.0 that rigs need (Khronos specification 2.0). */
export interface Gltf {
  nodes: readonly GltfNode[];
  meshes: readonly GltfMesh[];
  skins: readonly { joints: readonly number[]; inverseBindMatrices?: number }[];
  animations: readonly GltfAnimation[];
  /** The numbers of an accessor, sparse parts filled in: integers as they are, or as shares where they are normalized. */
  values(accessor: number): Float32Array;
  /** The non-zero rows of an accessor: what is stored, where only a sparse part is. */
  sparseValues(accessor: number): { indices: Uint32Array; values: Float32Array };
}

export interface GltfNode {
  name: string;
  children: readonly number[];
  /** Metres, unit quaternion x, y, z, w, factors. */
  translation: readonly number[];
  rotation: readonly number[];
  scale: readonly number[];
  mesh?: number;
  skin?: number;
}

export interface GltfMesh {
  primitives: readonly {
    attributes: Readonly<Record<string, number>>;
    indices?: number;
    targets?: readonly Readonly<Record<string, number>>[];
  }[];
  targetNames: readonly string[];
}

export interface GltfAnimation {
  name: string;
  channels: readonly { node: number; path: string; input: number; output: number; step: boolean }[];
}

interface Accessor {
  bufferView?: number;
  byteOffset?: number;
  componentType: number;
  count: number;
  type: string;
  normalized?: boolean;
  sparse?: {
    count: number;
    indices: { bufferView: number; byteOffset?: number; componentType: number };
    values: { bufferView: number; byteOffset?: number };
  };
}

interface BufferView {
  byteOffset?: number;
  byteLength: number;
  byteStride?: number;
}

type Json = Record<string, unknown>;

const glbMagic = 0x4654_6c67;
const jsonChunk = 0x4e4f_534a;
const binaryChunk = 0x004e_4942;

const componentCounts: Readonly<Record<string, number>> = {
  SCALAR: 1,
  VEC2: 2,
  VEC3: 3,
  VEC4: 4,
  MAT4: 16,
};

interface ComponentType {
  bytes: number;
  /** What a normalized integer is divided by. */
  unit: number;
  read(view: DataView, at: number): number;
}

const componentTypes: ReadonlyMap<number, ComponentType> = new Map([
  [5120, { bytes: 1, unit: 127, read: (view, at) => view.getInt8(at) }],
  [5121, { bytes: 1, unit: 255, read: (view, at) => view.getUint8(at) }],
  [5122, { bytes: 2, unit: 32_767, read: (view, at) => view.getInt16(at, true) }],
  [5123, { bytes: 2, unit: 65_535, read: (view, at) => view.getUint16(at, true) }],
  [5125, { bytes: 4, unit: 1, read: (view, at) => view.getUint32(at, true) }],
  [5126, { bytes: 4, unit: 1, read: (view, at) => view.getFloat32(at, true) }],
]);

/** Reads a binary glTF file with its one buffer inside. Throws `model-corrupt` and `model-unsupported`. */
export function parseGlb(file: Uint8Array): Gltf {
  const { json, binary } = chunksOf(file);
  const reader = new AccessorReader(
    list(json, 'accessors') as unknown as Accessor[],
    list(json, 'bufferViews') as unknown as BufferView[],
    binary,
  );
  const nodes = list(json, 'nodes').map(nodeOf);
  const nodeIndex = (value: unknown): number => index(value, nodes.length, 'node');
  return {
    nodes: nodes.map((node) => ({ ...node, children: node.children.map(nodeIndex) })),
    meshes: list(json, 'meshes').map(meshOf),
    skins: list(json, 'skins').map((skin) => ({
      joints: numbers(skin.joints).map(nodeIndex),
      ...optional('inverseBindMatrices', skin.inverseBindMatrices),
    })),
    animations: list(json, 'animations').map((animation) => animationOf(animation, nodeIndex)),
    values: (accessor) => reader.dense(accessor),
    sparseValues: (accessor) => reader.sparse(accessor),
  };
}

function chunksOf(file: Uint8Array): { json: Json; binary: Uint8Array } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 20 || view.getUint32(0, true) !== glbMagic) {
    throw corruptSplats('glb', 'it is no binary glTF');
  }
  if (view.getUint32(4, true) !== 2) {
    throw unsupportedSplats('glb', 'glTF 1.0', 'Export the file as glTF 2.0.');
  }
  let json: Json | undefined;
  let binary: Uint8Array = new Uint8Array();
  for (let at = 12; at + 8 <= file.length; ) {
    const bytes = view.getUint32(at, true);
    const type = view.getUint32(at + 4, true);
    if (at + 8 + bytes > file.length) throw corruptSplats('glb', 'it ends inside a chunk');
    const chunk = file.subarray(at + 8, at + 8 + bytes);
    if (type === jsonChunk) json = parseJson(chunk);
    else if (type === binaryChunk) binary = chunk;
    at += 8 + bytes;
  }
  if (!json) throw corruptSplats('glb', 'it has no JSON');
  return { json, binary };
}

function parseJson(chunk: Uint8Array): Json {
  try {
    return record(JSON.parse(new TextDecoder().decode(chunk)));
  } catch {
    throw corruptSplats('glb', 'its JSON cannot be read');
  }
}

class AccessorReader {
  readonly #accessors: readonly Accessor[];
  readonly #views: readonly BufferView[];
  readonly #binary: DataView;

  constructor(accessors: readonly Accessor[], views: readonly BufferView[], binary: Uint8Array) {
    this.#accessors = accessors;
    this.#views = views;
    this.#binary = new DataView(binary.buffer, binary.byteOffset, binary.byteLength);
  }

  dense(accessorIndex: number): Float32Array {
    const accessor = this.#accessor(accessorIndex);
    const width = widthOf(accessor);
    const values =
      accessor.bufferView === undefined
        ? new Float32Array(accessor.count * width)
        : this.#read(
            accessor.bufferView,
            accessor.byteOffset,
            accessor.componentType,
            accessor.count,
            width,
            accessor.normalized === true,
          );
    if (accessor.sparse) {
      const { indices, values: rows } = this.#sparsePart(accessor);
      indices.forEach((row, i) => {
        values.set(rows.subarray(i * width, (i + 1) * width), row * width);
      });
    }
    return values;
  }

  sparse(accessorIndex: number): { indices: Uint32Array; values: Float32Array } {
    const accessor = this.#accessor(accessorIndex);
    if (accessor.bufferView === undefined) {
      return accessor.sparse
        ? this.#sparsePart(accessor)
        : { indices: new Uint32Array(), values: new Float32Array() };
    }
    const width = widthOf(accessor);
    const dense = this.dense(accessorIndex);
    const rows = Array.from({ length: accessor.count }, (_, row) => row).filter((row) =>
      dense.subarray(row * width, (row + 1) * width).some((value) => value !== 0),
    );
    const values = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      values.set(dense.subarray(row * width, (row + 1) * width), i * width);
    });
    return { indices: Uint32Array.from(rows), values };
  }

  #sparsePart(accessor: Accessor): { indices: Uint32Array; values: Float32Array } {
    const { count, indices, values } = record(accessor.sparse) as unknown as NonNullable<
      Accessor['sparse']
    >;
    const { bufferView, byteOffset, componentType } = record(indices) as unknown as typeof indices;
    const rows = this.#read(bufferView, byteOffset, componentType, count, 1, false);
    if (rows.some((row) => row >= accessor.count)) {
      throw corruptSplats('glb', 'a sparse accessor names a row that is not there');
    }
    const { bufferView: valueView, byteOffset: valueOffset } = record(
      values,
    ) as unknown as typeof values;
    return {
      indices: Uint32Array.from(rows),
      values: this.#read(
        valueView,
        valueOffset,
        accessor.componentType,
        count,
        widthOf(accessor),
        accessor.normalized === true,
      ),
    };
  }

  #accessor(at: number): Accessor {
    const accessor = this.#accessors[at];
    if (!accessor) throw corruptSplats('glb', `it has no accessor ${at}`);
    size(accessor.count);
    return accessor;
  }

  #read(
    viewIndex: number,
    offset: number | undefined,
    componentType: number,
    count: number,
    width: number,
    normalized: boolean,
  ): Float32Array {
    const view = this.#views[viewIndex];
    const type = componentTypes.get(componentType);
    if (!view || !type) throw corruptSplats('glb', 'an accessor has no data');
    const start = size(view.byteOffset ?? 0) + size(offset ?? 0);
    const stride = size(view.byteStride ?? 0) || width * type.bytes;
    const end = start + Math.max(0, size(count) - 1) * stride + width * type.bytes;
    if (count > 0 && end > this.#binary.byteLength) {
      throw corruptSplats('glb', 'an accessor reaches past the end');
    }
    const unit = normalized ? type.unit : 1;
    const values = new Float32Array(count * width);
    for (let row = 0; row < count; row += 1) {
      for (let i = 0; i < width; i += 1) {
        const at = start + row * stride + i * type.bytes;
        values[row * width + i] = type.read(this.#binary, at) / unit;
      }
    }
    return values;
  }
}

function nodeOf(node: Json): GltfNode {
  if (node.matrix !== undefined) {
    throw unsupportedSplats('glb', 'A node with a matrix', 'Export translation, rotation, scale.');
  }
  return {
    name: typeof node.name === 'string' ? node.name : '',
    children: numbers(node.children),
    translation: numbers(node.translation, [0, 0, 0]),
    rotation: numbers(node.rotation, [0, 0, 0, 1]),
    scale: numbers(node.scale, [1, 1, 1]),
    ...optional('mesh', node.mesh),
    ...optional('skin', node.skin),
  };
}

function meshOf(mesh: Json): GltfMesh {
  const extras = typeof mesh.extras === 'object' && mesh.extras !== null ? mesh.extras : {};
  const names = (extras as Json).targetNames;
  return {
    primitives: list(mesh, 'primitives').map((primitive) => ({
      attributes: record(primitive.attributes) as Record<string, number>,
      ...optional('indices', primitive.indices),
      targets: list(primitive, 'targets') as Record<string, number>[],
    })),
    targetNames: Array.isArray(names) ? names.map(String) : [],
  };
}

function animationOf(animation: Json, nodeIndex: (value: unknown) => number): GltfAnimation {
  const samplers = list(animation, 'samplers');
  const channels = list(animation, 'channels').flatMap((channel) => {
    const target = record(channel.target);
    const sampler = samplers[channel.sampler as number];
    if (!sampler) throw corruptSplats('glb', 'an animation has no sampler');
    if (target.node === undefined) return [];
    if (sampler.interpolation === 'CUBICSPLINE') {
      throw unsupportedSplats('glb', 'Cubic animation', 'Export it with linear keyframes.');
    }
    return {
      node: nodeIndex(target.node),
      path: String(target.path),
      input: Number(sampler.input),
      output: Number(sampler.output),
      step: sampler.interpolation === 'STEP',
    };
  });
  return { name: String(animation.name ?? ''), channels };
}

function list(json: Json, key: string): Json[] {
  const value = json[key] ?? [];
  if (!Array.isArray(value)) throw corruptSplats('glb', `'${key}' is no list`);
  return value.map(record);
}

function record(value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw corruptSplats('glb', 'its JSON has another shape');
}

function numbers(value: unknown, otherwise: readonly number[] = []): readonly number[] {
  if (value === undefined) return otherwise;
  const valid =
    Array.isArray(value) && (otherwise.length === 0 || value.length === otherwise.length);
  if (valid && value.every((entry) => typeof entry === 'number')) return value as number[];
  throw corruptSplats('glb', 'its JSON has another shape');
}

function index(value: unknown, length: number, what: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < length) {
    return value as number;
  }
  throw corruptSplats('glb', `it names the ${what} ${value}`);
}

function size(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31) {
    return value as number;
  }
  throw corruptSplats('glb', `it has the size ${value}`);
}

function optional<Key extends string>(key: Key, value: unknown): { [name in Key]?: number } {
  return typeof value === 'number' ? ({ [key]: value } as { [name in Key]: number }) : {};
}

function widthOf({ type }: Accessor): number {
  const width = componentCounts[type];
  if (!width) throw corruptSplats('glb', `an accessor has the type ${type}`);
  return width;
}
