import { type PlyColumn, type PlyElement, parsePly } from './ply.ts';
import {
  corruptSplats,
  degreeOfRest,
  emptyCloud,
  restCoefficients,
  type SplatCloud,
  setRotation,
  setSmallestThree,
  shBand0,
  sigmoid,
  unsupportedSplats,
} from './splat-cloud.ts';

export interface PlySplats {
  cloud: SplatCloud;
  /** [count] the triangle that each splat is bound to (`binding_0` of GaussianAvatars), or null for free splats. */
  binding: Uint32Array | null;
}

export interface PlyOptions {
  /** `f_dc` holds RGB 0..1, as in files of LAM, instead of coefficients of band 0. */
  plainColors?: boolean;
}

/**
 * Splats from a PLY file: as 3DGS writes it (Kerbl et al. 2023; properties in any order, any scalar types), or in the
 * compressed form of SuperSplat, with chunks of 256. Throws `model-corrupt` and `model-unsupported`.
 */
export function parsePlySplats(file: Uint8Array, options: PlyOptions = {}): PlySplats {
  const elements = parsePly(file);
  const vertices = elements.get('vertex');
  if (!vertices) throw corruptSplats('ply', "it has no element 'vertex'");
  if (vertices.names.includes('packed_position')) {
    const chunks = elements.get('chunk');
    if (!chunks) throw corruptSplats('ply', "it has no element 'chunk'");
    return { cloud: unpackChunks(vertices, chunks, elements.get('sh')), binding: null };
  }
  const cloud = readVertices(vertices, options.plainColors === true);
  const binding = vertices.column('binding_0');
  return { cloud, binding: binding && Uint32Array.from(binding) };
}

function readVertices(vertices: PlyElement, plainColors: boolean): SplatCloud {
  const { count, names } = vertices;
  const cloud = emptyCloud(count, restDegree(names));
  const { positions, colors, scales, opacities, rotations } = cloud;
  gather(vertices, ['x', 'y', 'z'], positions);
  gather(vertices, ['f_dc_0', 'f_dc_1', 'f_dc_2'], colors);
  gather(vertices, ['opacity'], opacities);
  gather(vertices, ['scale_0', 'scale_1', 'scale_2'], scales);
  gather(vertices, ['rot_1', 'rot_2', 'rot_3', 'rot_0'], rotations);
  for (let i = 0; i < count * 3; i += 1) scales[i] = Math.exp(scales[i] as number);
  for (let i = 0; i < count * 3 && !plainColors; i += 1) {
    colors[i] = 0.5 + shBand0 * (colors[i] as number);
  }
  for (let i = 0; i < count; i += 1) {
    opacities[i] = sigmoid(opacities[i] as number);
    const at = i * 4;
    setRotation(
      rotations,
      i,
      rotations[at] as number,
      rotations[at + 1] as number,
      rotations[at + 2] as number,
      rotations[at + 3] as number,
    );
  }
  readRest(cloud, vertices);
  return cloud;
}

/** `f_rest_i` stand channel by channel: all of red first. */
function readRest({ shDegree, sh }: SplatCloud, element: PlyElement): void {
  const perChannel = restCoefficients(shDegree);
  const names = Array.from(
    { length: perChannel * 3 },
    (_, i) => `f_rest_${(i % 3) * perChannel + Math.floor(i / 3)}`,
  );
  if (element.gather(names, sh)) return;
  const missing = names.find((name) => !element.names.includes(name));
  throw corruptSplats('ply', `it has no property '${missing}'`);
}

function restDegree(names: readonly string[]): SplatCloud['shDegree'] {
  const rest = names.filter((name) => /^f_rest_\d+$/.test(name)).length;
  const degree = degreeOfRest(rest / 3);
  if (degree !== null) return degree;
  throw unsupportedSplats(
    'ply',
    `A PLY file with ${rest} spherical-harmonic coefficients`,
    'Export it with degree 0, 1, 2 or 3: 0, 9, 24 or 45 properties f_rest_*.',
  );
}

function columns(element: PlyElement, names: readonly string[]): PlyColumn[] {
  return names.map((name) => element.column(name) ?? missingProperty(name));
}

function gather(element: PlyElement, names: readonly string[], into: Float32Array): void {
  if (element.gather(names, into)) return;
  missingProperty(names.find((name) => !element.names.includes(name)));
}

function missingProperty(name: string | undefined): never {
  throw unsupportedSplats(
    'ply',
    `A PLY file without the property '${name}'`,
    'Use a file of Gaussian splats: meshes and point clouds have no scales, rotations and opacities.',
  );
}

const chunkSplats = 256;

/** Scalars of a chunk that bound its splats. */
const boundNames = ['x', 'y', 'z', 'scale_x', 'scale_y', 'scale_z', 'r', 'g', 'b'] as const;

/** Compressed PLY: positions and scales in 11+10+11 bits and colours in 8 within the bounds of a chunk of 256 splats. */
function unpackChunks(
  vertices: PlyElement,
  chunks: PlyElement,
  rest: PlyElement | undefined,
): SplatCloud {
  const { count } = vertices;
  if (chunks.count * chunkSplats < count) throw corruptSplats('ply', 'it has too few chunks');
  const cloud = emptyCloud(count, rest ? restDegree(rest.names) : 0);
  const [position, rotation, scale, color] = columns(vertices, [
    'packed_position',
    'packed_rotation',
    'packed_scale',
    'packed_color',
  ]) as PlyColumn[];
  const bounds = boundNames.map((name) => ({
    min: chunks.column(`min_${name}`),
    max: chunks.column(`max_${name}`),
  }));
  if (bounds.slice(0, 6).some(({ min, max }) => !min || !max)) {
    throw corruptSplats('ply', 'its chunks have no bounds');
  }
  /** Older files have no bounds of colours: they stand for 0..1. */
  const within = (bound: number, splat: number, share: number): number => {
    const chunk = Math.floor(splat / chunkSplats);
    const { min, max } = bounds[bound] as (typeof bounds)[number];
    const low = min?.[chunk] ?? 0;
    return low + ((max?.[chunk] ?? 1) - low) * share;
  };
  for (let i = 0; i < count; i += 1) {
    unpack111011(position?.[i] as number).forEach((share, axis) => {
      cloud.positions[i * 3 + axis] = within(axis, i, share);
    });
    unpack111011(scale?.[i] as number).forEach((share, axis) => {
      cloud.scales[i * 3 + axis] = Math.exp(within(3 + axis, i, share));
    });
    unpackRotation(cloud.rotations, i, rotation?.[i] as number);
    const packed = color?.[i] as number;
    for (let channel = 0; channel < 3; channel += 1) {
      const share = ((packed >>> (24 - 8 * channel)) & 255) / 255;
      cloud.colors[i * 3 + channel] = within(6 + channel, i, share);
    }
    cloud.opacities[i] = (packed & 255) / 255;
  }
  if (rest) {
    if (rest.count < count) throw corruptSplats('ply', "its element 'sh' is too short");
    readRest(cloud, rest);
    const { sh } = cloud;
    for (let i = 0; i < sh.length; i += 1) sh[i] = decodeRest(sh[i] as number);
  }
  return cloud;
}

function unpack111011(packed: number): [number, number, number] {
  return [((packed >>> 21) & 2047) / 2047, ((packed >>> 11) & 1023) / 1023, (packed & 2047) / 2047];
}

/** Two bits name the largest of w, x, y, z; ten each hold the others in −1/√2..1/√2. */
function unpackRotation(rotations: Float32Array, index: number, packed: number): void {
  const part = (shift: number): number => (((packed >>> shift) & 1023) / 1023 - 0.5) * Math.SQRT2;
  setSmallestThree(rotations, index, packed >>> 30, part(20), part(10), part(0));
}

/** Coefficients in −4..4: the middle of each of 256 steps, the ends exact. */
function decodeRest(value: number): number {
  const share = value === 0 ? 0 : value === 255 ? 1 : (value + 0.5) / 256;
  return (share - 0.5) * 8;
}
