import {
  emptyCloud,
  restCoefficients,
  type ShDegree,
  type SplatCloud,
  setRotation,
  shBand0,
} from '../formats/splat-cloud.ts';
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
export function spzOf(cloud: SplatCloud): Uint8Array {
  const bytes: number[] = [0x4e, 0x47, 0x53, 0x50, 2, 0, 0, 0];
  bytes.push(...new Uint8Array(Uint32Array.of(cloud.count).buffer), cloud.shDegree, 12, 0, 0);
  const push = (value: number): void => {
    bytes.push(Math.max(0, Math.min(255, Math.round(value))));
  };
  const turn = [1, -1, -1];
  cloud.positions.forEach((value, i) => {
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
