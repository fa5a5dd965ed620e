import { type Gltf, type GltfMesh, parseGlb } from './glb.ts';
import { parsePlySplats } from './ply-splats.ts';
import type { Clip, ClipChannel, Joint, Rig } from './rig.ts';
import { corruptSplats, type SplatCloud, unsupportedSplats } from './splat-cloud.ts';
import { findEntry, type ZipEntry } from './zip.ts';

export interface RiggedCloud {
  cloud: SplatCloud;
  rig: Rig;
}

/** Is this an avatar of LAM? */
export function isLamArchive(entries: readonly ZipEntry[]): boolean {
  return findEntry(entries, 'offset.ply') !== null && findEntry(entries, 'skin.glb') !== null;
}

/**
 * An avatar of LAM (He et al. 2025, arXiv 2502.17796) from its archive: `offset.ply` has a splat for each vertex of
 * `skin.glb`, in the same order, with its centre as an offset from the vertex and plain RGB as colour; `animation.glb`, which
 * may be missing, has clips for joints of the same names. Throws `model-corrupt` and `model-unsupported`.
 */
export async function readLamArchive(entries: readonly ZipEntry[]): Promise<RiggedCloud> {
  const { cloud } = parsePlySplats(await bytesOf(entries, 'offset.ply'), { plainColors: true });
  const skin = parseGlb(await bytesOf(entries, 'skin.glb'));
  const animation = findEntry(entries, 'animation.glb');
  const rig = rigOf(skin, cloud, animation ? parseGlb(await animation.bytes()) : null);
  return { cloud, rig };
}

async function bytesOf(entries: readonly ZipEntry[], name: string): Promise<Uint8Array> {
  const entry = findEntry(entries, name);
  if (!entry) throw corruptSplats('lam', `the archive has no ${name}`);
  return entry.bytes();
}

/** Adds the vertices to the centres of the cloud, and gives what moves them. */
function rigOf(gltf: Gltf, cloud: SplatCloud, animation: Gltf | null): Rig {
  const node = gltf.nodes.find(({ mesh, skin }) => mesh !== undefined && skin !== undefined);
  const mesh = gltf.meshes[node?.mesh ?? -1];
  const skin = gltf.skins[node?.skin ?? -1];
  const primitive = mesh?.primitives[0];
  if (!mesh || !skin || !primitive) throw corruptSplats('lam', 'skin.glb has no skinned mesh');
  const vertices = gltf.values(attribute(primitive, 'POSITION'));
  if (vertices.length !== cloud.count * 3) {
    throw corruptSplats(
      'lam',
      `skin.glb has ${vertices.length / 3} vertices for ${cloud.count} splats`,
    );
  }
  for (let i = 0; i < vertices.length; i += 1) {
    cloud.positions[i] = (cloud.positions[i] as number) + (vertices[i] as number);
  }
  const { joints, order } = jointsOf(gltf, skin);
  const used = gltf.values(attribute(primitive, 'JOINTS_0'));
  const weights = gltf.values(attribute(primitive, 'WEIGHTS_0'));
  if (used.length !== cloud.count * 4 || weights.length !== cloud.count * 4) {
    throw corruptSplats('lam', 'skin.glb has no four joints for each vertex');
  }
  return {
    expressions: mesh.targetNames,
    morphs: morphsOf(gltf, mesh),
    joints,
    skinJoints: Uint16Array.from(used, (joint) => {
      const at = order[joint];
      if (at === undefined) throw corruptSplats('lam', `skin.glb names the joint ${joint}`);
      return at;
    }),
    skinWeights: normalized(weights),
    clips: animation ? clipsOf(animation, joints) : [],
  };
}

function attribute(primitive: GltfMesh['primitives'][number], name: string): number {
  const accessor = primitive.attributes[name];
  if (accessor === undefined) throw corruptSplats('lam', `skin.glb has no ${name}`);
  return accessor;
}

function morphsOf(gltf: Gltf, { primitives, targetNames }: GltfMesh): Rig['morphs'] {
  const targets = primitives[0]?.targets ?? [];
  if (targets.length !== targetNames.length) {
    throw unsupportedSplats(
      'lam',
      'A mesh whose morph targets have no names',
      'Export it with extras.targetNames.',
    );
  }
  return targets.map((target) => {
    if (target.POSITION === undefined)
      return { indices: new Uint32Array(), deltas: new Float32Array() };
    const { indices, values } = gltf.sparseValues(target.POSITION);
    return { indices, deltas: values };
  });
}

function normalized(weights: Float32Array): Float32Array {
  for (let i = 0; i < weights.length; i += 4) {
    const row = weights.subarray(i, i + 4);
    const sum = row.reduce((total, weight) => total + weight, 0);
    if (!(sum > 0)) throw corruptSplats('lam', 'a vertex has no skin weights');
    row.forEach((weight, k) => {
      row[k] = weight / sum;
    });
  }
  return weights;
}

/**
 * The joints and every node above them, parents first, because a joint moves with all of these. `order` gives the place
 * of the skin's joint i.
 */
function jointsOf(gltf: Gltf, skin: Gltf['skins'][number]): { joints: Joint[]; order: number[] } {
  const parents = parentsOf(gltf);
  const binds =
    skin.inverseBindMatrices === undefined ? null : gltf.values(skin.inverseBindMatrices);
  const placed = new Map<number, number>();
  const joints: Joint[] = [];
  const place = (node: number): number => {
    const known = placed.get(node);
    if (known !== undefined) return known;
    const above = parents[node] as number;
    const parent = above < 0 ? -1 : place(above);
    const { name, translation, rotation, scale } = gltf.nodes[node] as Gltf['nodes'][number];
    const inSkin = skin.joints.indexOf(node);
    const inverseBind =
      binds && inSkin >= 0 ? binds.slice(inSkin * 16, inSkin * 16 + 16) : identity();
    if (inverseBind.length !== 16) throw corruptSplats('lam', 'skin.glb has too few bind matrices');
    placed.set(node, joints.length);
    joints.push({ name, parent, translation, rotation, scale, inverseBind });
    return joints.length - 1;
  };
  return { order: skin.joints.map(place), joints };
}

function identity(): Float32Array {
  return Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
}

function parentsOf({ nodes }: Gltf): Int32Array {
  const parents = new Int32Array(nodes.length).fill(-1);
  nodes.forEach(({ children }, node) => {
    for (const child of children) {
      if (parents[child] !== -1 || child === node) {
        throw corruptSplats('glb', 'a node has two parents');
      }
      parents[child] = node;
    }
  });
  for (let node = 0; node < nodes.length; node += 1) {
    let steps = 0;
    for (let at = node; at >= 0; at = parents[at] as number) {
      steps += 1;
      if (steps > nodes.length) throw corruptSplats('glb', 'its nodes form a ring');
    }
  }
  return parents;
}

/** Clips of another file, for joints of the same names; channels of nodes that the skeleton lacks are left out. */
function clipsOf(gltf: Gltf, joints: readonly Joint[]): Clip[] {
  const byName = new Map(joints.map(({ name }, i) => [name, i]));
  return gltf.animations.map(({ name, channels }) => {
    const kept = channels.flatMap(({ node, path, input, output, step }): ClipChannel[] => {
      const joint = byName.get(gltf.nodes[node]?.name ?? '');
      if (joint === undefined || !isPath(path)) return [];
      const times = gltf.values(input);
      const values = gltf.values(output);
      const width = path === 'rotation' ? 4 : 3;
      if (times.length === 0 || values.length !== times.length * width) {
        throw corruptSplats('lam', `the clip '${name}' has a broken channel`);
      }
      return [{ joint, path, times, values, step }];
    });
    const durationSeconds = Math.max(0, ...kept.map(({ times }) => times.at(-1) as number));
    return { name, durationSeconds, channels: kept };
  });
}

function isPath(path: string): path is ClipChannel['path'] {
  return path === 'translation' || path === 'rotation' || path === 'scale';
}
