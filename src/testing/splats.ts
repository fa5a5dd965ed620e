import {
  emptyCloud,
  restCoefficients,
  type ShDegree,
  type SplatCloud,
  setRotation,
  shBand0,
} from '../formats/splat-cloud.ts';
import { numberToHalf } from '../quant/half.ts';
import { Random } from './random.ts';

/** A seeded cloud whose values every format can hold roughly. For tests. */
export function randomCloud(count: number, shDegree: ShDegree, seed: number): SplatCloud {
  const random = new Random(seed);
  const cloud = emptyCloud(count, shDegree);
  const fill = (target: Float32Array, low: number, high: number): void => {
    for (let i = 0; i < target.length; i += 1) target[i] = low + (high - low) * random.uniform();
  };
  fill(cloud.positions, -1, 1);
  fill(cloud.scales, 0.02, 0.2);
  fill(cloud.opacities, 0.05, 0.95);
  fill(cloud.colors, 0, 1);
  fill(cloud.sh, -0.5, 0.5);
  for (let i = 0; i < count; i += 1) {
    const part = (): number => random.uniform() * 2 - 1;
    setRotation(cloud.rotations, i, part(), part(), part(), part());
  }
  return cloud;
}

export type PlyFormat = 'ascii' | 'binary_little_endian' | 'binary_big_endian';

/** The cloud as 3DGS writes it, its properties in whatever order `arrange` gives. For tests. */
export function plyOf(
  cloud: SplatCloud,
  format: PlyFormat,
  arrange: (names: string[]) => string[] = (names) => names,
): Uint8Array {
  const columns = plyColumns(cloud);
  const names = arrange([...columns.keys()]);
  const header = `ply\nformat ${format} 1.0\ncomment test\nelement vertex ${cloud.count}\n${names
    .map((name) => `property float ${name}\n`)
    .join('')}end_header\n`;
  const rows = Array.from({ length: cloud.count }, (_, i) =>
    names.map((name) => columns.get(name)?.(i) ?? 0),
  );
  const start = new TextEncoder().encode(header);
  if (format === 'ascii') {
    return new TextEncoder().encode(`${header}${rows.map((row) => row.join(' ')).join('\n')}\n`);
  }
  const file = new Uint8Array(start.length + cloud.count * names.length * 4);
  file.set(start);
  const view = new DataView(file.buffer, start.length);
  rows.flat().forEach((value, i) => {
    view.setFloat32(i * 4, value, format === 'binary_little_endian');
  });
  return file;
}

function plyColumns(cloud: SplatCloud): Map<string, (i: number) => number> {
  const columns = new Map<string, (i: number) => number>();
  ['x', 'y', 'z'].forEach((name, axis) => {
    columns.set(name, (i) => cloud.positions[i * 3 + axis] as number);
    columns.set(`scale_${axis}`, (i) => Math.log(cloud.scales[i * 3 + axis] as number));
    columns.set(`f_dc_${axis}`, (i) => ((cloud.colors[i * 3 + axis] as number) - 0.5) / shBand0);
  });
  [3, 0, 1, 2].forEach((part, k) => {
    columns.set(`rot_${k}`, (i) => cloud.rotations[i * 4 + part] as number);
  });
  columns.set('opacity', (i) => {
    const opacity = cloud.opacities[i] as number;
    return Math.log(opacity / (1 - opacity));
  });
  const rest = restCoefficients(cloud.shDegree);
  for (let k = 0; k < rest * 3; k += 1) {
    const target = (k % rest) * 3 + Math.floor(k / rest);
    columns.set(`f_rest_${k}`, (i) => cloud.sh[i * rest * 3 + target] as number);
  }
  return columns;
}

/** The cloud as `.splat`. For tests. */
export function splatFileOf(cloud: SplatCloud): Uint8Array {
  const file = new Uint8Array(cloud.count * 32);
  const view = new DataView(file.buffer);
  for (let i = 0; i < cloud.count; i += 1) {
    for (let axis = 0; axis < 3; axis += 1) {
      view.setFloat32(i * 32 + axis * 4, cloud.positions[i * 3 + axis] as number, true);
      view.setFloat32(i * 32 + 12 + axis * 4, cloud.scales[i * 3 + axis] as number, true);
      file[i * 32 + 24 + axis] = Math.round((cloud.colors[i * 3 + axis] as number) * 255);
    }
    file[i * 32 + 27] = Math.round((cloud.opacities[i] as number) * 255);
    [3, 0, 1, 2].forEach((part, k) => {
      const value = Math.round((cloud.rotations[i * 4 + part] as number) * 128 + 128);
      file[i * 32 + 28 + k] = Math.min(255, value);
    });
  }
  return file;
}

/** Unpacked `.spz` of version 2, which has y up. For tests. */
export function spzOf(cloud: SplatCloud, version: 1 | 2 = 2): Uint8Array {
  const bytes: number[] = [0x4e, 0x47, 0x53, 0x50, version, 0, 0, 0];
  bytes.push(...new Uint8Array(Uint32Array.of(cloud.count).buffer), cloud.shDegree, 12, 0, 0);
  const push = (value: number): void => {
    bytes.push(Math.max(0, Math.min(255, Math.round(value))));
  };
  const turn = [1, -1, -1];
  cloud.positions.forEach((value, i) => {
    if (version === 1) {
      const half = numberToHalf(value * (turn[i % 3] as number));
      bytes.push(half & 255, half >> 8);
      return;
    }
    const fixed = Math.round(value * (turn[i % 3] as number) * 4096);
    bytes.push(fixed & 255, (fixed >> 8) & 255, (fixed >> 16) & 255);
  });
  for (const value of cloud.opacities) push(value * 255);
  for (const value of cloud.colors) push((((value - 0.5) / shBand0) * 0.15 + 0.5) * 255);
  for (const value of cloud.scales) push((Math.log(value) + 10) * 16);
  for (let i = 0; i < cloud.count; i += 1) {
    const sign = (cloud.rotations[i * 4 + 3] as number) < 0 ? -1 : 1;
    for (let axis = 0; axis < 3; axis += 1) {
      const value = (cloud.rotations[i * 4 + axis] as number) * (turn[axis] as number);
      push((value * sign + 1) * 127.5);
    }
  }
  const rest = restCoefficients(cloud.shDegree) * 3;
  const signs = [-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1];
  cloud.sh.forEach((value, i) => {
    push(value * (signs[Math.floor((i % rest) / 3)] as number) * 128 + 128);
  });
  return Uint8Array.from(bytes);
}

/** A plane of SOG, by its file name. */
interface SogPlane {
  width: number;
  height: number;
  data: Uint8Array;
}

/** The cloud as SOG 2, its images not encoded. For tests. */
export function sogOf(cloud: SplatCloud): {
  meta: Record<string, unknown>;
  planes: Map<string, SogPlane>;
} {
  const { count } = cloud;
  const planes = new Map<string, SogPlane>();
  const plane = (name: string, width: number, height: number): Uint8Array => {
    const data = new Uint8Array(width * height * 4);
    planes.set(name, { width, height, data });
    return data;
  };
  const codebook = (least: number, most: number): number[] =>
    Array.from({ length: 256 }, (_, i) => least + ((most - least) * i) / 255);
  const code = (book: readonly number[], value: number): number => {
    const [least, most] = [book[0] as number, book[255] as number];
    return Math.max(0, Math.min(255, Math.round(((value - least) / (most - least)) * 255)));
  };
  const names = ['means_l', 'means_u', 'scales', 'quats', 'sh0', 'labels'];
  const [low, high, scales, quats, sh0, labels] = names.map((name) => plane(name, count, 1)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const rest = restCoefficients(cloud.shDegree);
  const rows = Math.ceil(count / 64);
  const centroids = plane('centroids', 64 * rest, rows);
  const [scaleBook, colorBook, shBook] = [codebook(-4, -1), codebook(-2, 2), codebook(-0.5, 0.5)];
  const bound = Math.log(2);
  for (let i = 0; i < count; i += 1) {
    for (let axis = 0; axis < 3; axis += 1) {
      const position = cloud.positions[i * 3 + axis] as number;
      const folded = Math.sign(position) * Math.log1p(Math.abs(position));
      const steps = Math.round(((folded + bound) / (2 * bound)) * 65_535);
      low[i * 4 + axis] = steps & 255;
      high[i * 4 + axis] = steps >> 8;
      scales[i * 4 + axis] = code(scaleBook, Math.log(cloud.scales[i * 3 + axis] as number));
      sh0[i * 4 + axis] = code(colorBook, ((cloud.colors[i * 3 + axis] as number) - 0.5) / shBand0);
    }
    sh0[i * 4 + 3] = Math.round((cloud.opacities[i] as number) * 255);
    writeSmallestThree(quats, i, cloud.rotations.subarray(i * 4, i * 4 + 4));
    labels[i * 4] = i & 255;
    labels[i * 4 + 1] = i >> 8;
    for (let k = 0; k < rest * 3; k += 1) {
      const pixel = Math.floor(i / 64) * 64 * rest + (i % 64) * rest + Math.floor(k / 3);
      centroids[pixel * 4 + (k % 3)] = code(shBook, cloud.sh[i * rest * 3 + k] as number);
    }
  }
  const meta = {
    version: 2,
    count,
    means: {
      mins: [-bound, -bound, -bound],
      maxs: [bound, bound, bound],
      files: names.slice(0, 2),
    },
    scales: { codebook: scaleBook, files: ['scales'] },
    quats: { files: ['quats'] },
    sh0: { codebook: colorBook, files: ['sh0'] },
    shN: { count, bands: cloud.shDegree, codebook: shBook, files: ['centroids', 'labels'] },
  };
  return { meta, planes };
}

/** Bytes of the three smaller components of w, x, y, z, and in alpha which is the largest. */
function writeSmallestThree(target: Uint8Array, splat: number, rotation: Float32Array): void {
  const [x, y, z, w] = rotation as unknown as [number, number, number, number];
  const parts = [w, x, y, z];
  const largest = parts.reduce(
    (best, part, i) => (Math.abs(part) > Math.abs(parts[best] as number) ? i : best),
    0,
  );
  const sign = (parts[largest] as number) < 0 ? -1 : 1;
  parts
    .filter((_, i) => i !== largest)
    .forEach((part, k) => {
      target[splat * 4 + k] = Math.round(((part * sign) / Math.SQRT2 + 0.5) * 255);
    });
  target[splat * 4 + 3] = 252 + largest;
}

/** A ZIP archive whose files are stored as they are. For tests. */
export function zipOf(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [path, bytes] of Object.entries(files)) {
    const name = new TextEncoder().encode(path);
    const sizes = [bytes.length, bytes.length];
    const local = record([
      [0x0403_4b50, 4],
      [20, 2],
      [0, 8],
      [0, 4],
      ...words(sizes),
      [name.length, 2],
      [0, 2],
    ]);
    directory.push(
      record([
        [0x0201_4b50, 4],
        [20, 2],
        [20, 2],
        [0, 8],
        [0, 4],
        ...words(sizes),
        [name.length, 2],
        [0, 12],
        [at, 4],
      ]),
      name,
    );
    parts.push(local, name, bytes);
    at += local.length + name.length + bytes.length;
  }
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  const count = Object.keys(files).length;
  const end = record([
    [0x0605_4b50, 4],
    [0, 4],
    [count, 2],
    [count, 2],
    ...words([directoryBytes, at]),
    [0, 2],
  ]);
  return joined([...parts, ...directory, end]);
}

/** An array of float32, int32 or texts as NumPy writes it. For tests. */
export function npyOf(
  values: Float32Array | Int32Array | string[],
  shape: readonly number[],
): Uint8Array {
  const longest = Array.isArray(values) ? Math.max(1, ...values.map(({ length }) => length)) : 0;
  const data = Array.isArray(values)
    ? new Uint8Array(
        Uint32Array.from(
          values.flatMap((text) => [...text.padEnd(longest, '\0')]),
          (character) => character.charCodeAt(0),
        ).buffer,
      )
    : new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const type = Array.isArray(values)
    ? `<U${longest}`
    : values instanceof Int32Array
      ? '<i4'
      : '<f4';
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }\n`;
  const start = Uint8Array.of(
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    1,
    0,
    header.length & 255,
    header.length >> 8,
  );
  return joined([start, new TextEncoder().encode(header), data]);
}

const words = (values: readonly number[]): [number, number][] => values.map((value) => [value, 4]);

/** Numbers and their bytes, little-endian. */
function record(fields: readonly [value: number, bytes: number][]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([value, bytes]) =>
      Array.from({ length: bytes }, (_, i) => (i < 4 ? (value >>> (8 * i)) & 255 : 0)),
    ),
  );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
