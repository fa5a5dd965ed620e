import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { numberToHalf } from '../quant/half.ts';
import { npyOf, plyOf, randomCloud, zipOf } from '../testing/splats.ts';
import { placeOnTriangles } from './gaussian-avatars.ts';
import type { Rig } from './rig.ts';
import { restCoefficients, type SplatCloud } from './splat-cloud.ts';
import { readSplatFile, type SplatFile } from './splats.ts';
import { readZip } from './zip.ts';

const read = (file: Uint8Array): Promise<SplatFile> =>
  readSplatFile(file, () => Promise.reject(new Error('there are no images here')));

/** Three splats on the triangles 1, 0, 1 of two, which share an edge. */
const binding = [1, 0, 1];
const local = randomCloud(3, 1, 50);
const mesh = {
  vertices: Float32Array.of(0, 0, 0, 2, 0, 0, 0, 2, 0, 2, 2, 1),
  triangles: Uint32Array.of(0, 1, 2, 2, 1, 3),
};
/** The first expression moves what both triangles have, the second the corner of the second one. */
const expressions = new Float32Array(2 * 12);
expressions.set([0.1, 0.2, 0.3], 3);
expressions.set([0, 0, 0.5], 12 + 9);
const expressionNames = ['mouthSmile_L', 'jawOpen'];

const boundPly = (cloud: SplatCloud, triangles: ArrayLike<number>): Uint8Array => {
  const text = new TextDecoder().decode(plyOf(cloud, 'ascii'));
  const [head = '', rows = ''] = text.split('end_header\n');
  const bound = rows
    .trim()
    .split('\n')
    .map((row, i) => `${row} ${triangles[i]}`);
  return new TextEncoder().encode(
    `${head}property int binding_0\nend_header\n${bound.join('\n')}\n`,
  );
};
const meshFile = (left: readonly string[] = []): Uint8Array => {
  const files: Record<string, Uint8Array> = {
    'vertices.npy': npyOf(mesh.vertices, [4, 3]),
    'triangles.npy': npyOf(Int32Array.from(mesh.triangles), [2, 3]),
    'expressions.npy': npyOf(expressions, [2, 4, 3]),
    'expression_names.npy': npyOf(expressionNames, [2]),
  };
  for (const name of left) delete files[`${name}.npy`];
  return zipOf(files);
};
const headFile = (npz = meshFile()): Uint8Array =>
  zipOf({ 'head/point_cloud.ply': boundPly(local, binding), 'head/mesh.npz': npz });

describe('a head of GaussianAvatars and its mesh', () => {
  it('stands on its triangles, and its expressions move it as they move these', async () => {
    const { cloud, rig } = await read(headFile());
    const at = (vertices: Float32Array): SplatCloud =>
      placeOnTriangles(local, Uint32Array.from(binding), { ...mesh, vertices });
    const rest = at(mesh.vertices);
    const near = (a: Float32Array, b: Float32Array): void => {
      expect(a).toHaveLength(b.length);
      a.forEach((value, i) => {
        expect(value).toBeCloseTo(b[i] as number, 4);
      });
    };
    near(cloud.positions, rest.positions);
    near(cloud.scales, rest.scales);
    near(cloud.rotations, rest.rotations);
    expect(rig?.expressions).toEqual(['mouthSmileLeft', 'jawOpen']);
    expect(rig?.joints.map(({ name }) => name)).toEqual(['head']);
    const [smile, open] = (rig as Rig).morphs;
    expect([...(smile?.indices ?? [])]).toEqual([0, 1, 2]);
    expect([...(open?.indices ?? [])]).toEqual([0, 2]);
    for (const [expression, morph] of [smile, open].entries()) {
      const moved = at(
        mesh.vertices.map((value, i) => value + (expressions[expression * 12 + i] as number)),
      );
      const expected = [...(morph?.indices ?? [])].flatMap((splat) =>
        [0, 1, 2].map(
          (axis) =>
            (moved.positions[splat * 3 + axis] as number) -
            (rest.positions[splat * 3 + axis] as number),
        ),
      );
      near(morph?.deltas as Float32Array, Float32Array.from(expected));
    }
  });

  it('may have no expressions', async () => {
    const { rig } = await read(headFile(meshFile(['expressions', 'expression_names'])));
    expect([rig?.expressions, rig?.morphs]).toEqual([[], []]);
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['parameters without a mesh', headFile(meshFile(['vertices'])), 'model-unsupported', /mesh/],
    ['names without expressions', headFile(meshFile(['expressions'])), 'model-corrupt', /names/],
    [
      'splats that are bound to nothing',
      zipOf({ 'a.ply': plyOf(local, 'ascii'), 'mesh.npz': meshFile() }),
      'model-unsupported',
      /bound/,
    ],
    [
      'a triangle that is not there',
      zipOf({ 'a.ply': boundPly(local, [0, 1, 2]), 'mesh.npz': meshFile() }),
      'model-corrupt',
      /triangle 2/,
    ],
  ])('refuses %s', async (_, file, code, message) => {
    const error = await read(file).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(VitrailError);
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
  });
});

/** Overwrites bytes and cuts: splats or a typed error, whatever comes of it. */
async function fuzz(
  file: Uint8Array,
  runs: number,
  whole: (part: Uint8Array) => Uint8Array,
): Promise<void> {
  const change = fc.record({ at: fc.nat(file.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.oneof(fc.constant(file.length), fc.nat(file.length)),
      async (changes, cut) => {
        const changed = file.slice(0, cut);
        for (const { at, byte } of changes) if (at < cut) changed[at] = byte;
        await read(whole(changed)).catch((thrown) => expect(thrown).toBeInstanceOf(VitrailError));
      },
    ),
    { numRuns: runs },
  );
}

/** A PLY file as SuperSplat compresses it: a chunk of bounds, and four words a splat. */
function compressedPly(): Uint8Array {
  const bounds = ['x', 'y', 'z', 'scale_x', 'scale_y', 'scale_z', 'r', 'g', 'b'];
  const names = bounds.flatMap((name) => [`min_${name}`, `max_${name}`]);
  const words = ['packed_position', 'packed_rotation', 'packed_scale', 'packed_color'];
  const head = `ply
format binary_little_endian 1.0
element chunk 1
${names.map((name) => `property float ${name}\n`).join('')}element vertex 3
${words.map((name) => `property uint ${name}\n`).join('')}element sh 3
${Array.from({ length: 9 }, (_, i) => `property uchar f_rest_${i}\n`).join('')}end_header
`;
  const values = [
    ...new Uint8Array(Float32Array.from(names, (_, i) => (i % 2 === 0 ? -1 : 1)).buffer),
    ...new Uint8Array(Uint32Array.from({ length: 12 }, (_, i) => (i + 1) * 0x1357_9bdf).buffer),
    ...Array.from({ length: 27 }, (_, i) => [0, 128, 255][i % 3] as number),
  ];
  return Uint8Array.from([...new TextEncoder().encode(head), ...values]);
}

/** The cloud as a `.ksplat` of one section: numbers by the level, positions of levels 1 and 2 around the centres of buckets of two. */
function ksplatOf(cloud: SplatCloud, level: 0 | 1 | 2): Uint8Array {
  const { count, shDegree } = cloud;
  const wide = level === 0;
  const rest = restCoefficients(shDegree);
  const [full, partial] = wide ? [0, 0] : [count >> 1, count % 2];
  const head = new DataView(new ArrayBuffer(4096 + 1024));
  const set = (at: number, value: number): void => head.setUint32(at, value, true);
  head.setUint8(1, 1);
  for (const at of [12, 16]) set(at, count);
  for (const at of [4, 8]) set(at, 1);
  head.setUint16(20, level, true);
  head.setFloat32(36, -1, true);
  head.setFloat32(40, 1, true);
  const section = 4096;
  for (const at of [0, 4]) set(section + at, count);
  set(section + 8, 2);
  set(section + 12, full + partial);
  head.setFloat32(section + 16, 4, true);
  head.setUint16(section + 20, 12, true);
  set(section + 24, 32_767);
  set(section + 32, full);
  set(section + 36, partial);
  head.setUint16(section + 40, shDegree, true);
  const bytes: number[] = [...new Uint8Array(head.buffer)];
  const real = (value: number): void => {
    bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
  };
  const short = (value: number): void => {
    bytes.push(value & 255, value >> 8);
  };
  const number = (value: number): void => (wide ? real(value) : short(numberToHalf(value)));
  const centers = Array.from({ length: full + partial }, (_, i) => [0.1 * i, -0.1 * i, 0]);
  if (partial) bytes.push(1, 0, 0, 0);
  for (const value of centers.flat()) real(value);
  for (let i = 0; i < count; i += 1) {
    for (let axis = 0; axis < 3; axis += 1) {
      const at = cloud.positions[i * 3 + axis] as number;
      const center = Math.fround(centers[i >> 1]?.[axis] ?? 0);
      if (wide) real(at);
      else short(Math.round(((at - center) / 2) * 32_767) + 32_767);
    }
    for (let axis = 0; axis < 3; axis += 1) number(cloud.scales[i * 3 + axis] as number);
    for (const part of [3, 0, 1, 2]) number(cloud.rotations[i * 4 + part] as number);
    for (let c = 0; c < 3; c += 1)
      bytes.push(Math.round((cloud.colors[i * 3 + c] as number) * 255));
    bytes.push(Math.round((cloud.opacities[i] as number) * 255));
    // Band by band, each channel by channel.
    for (const [start, size] of [
      [0, 3],
      [3, 5],
      [8, 7],
    ] as const) {
      for (let k = 0; k < size * 3 && start < rest; k += 1) {
        const coefficient = start + (k % size);
        const value = cloud.sh[(i * rest + coefficient) * 3 + Math.floor(k / size)] as number;
        if (level === 2) bytes.push(Math.round(((value + 1) / 2) * 255));
        else number(value);
      }
    }
  }
  return Uint8Array.from(bytes);
}

describe('.ksplat', () => {
  it.each([0, 1, 2] as const)(
    'of level %i, degrees 0 to 2, full and partial buckets',
    async (level) => {
      for (const degree of [0, 1, 2] as const) {
        const given = randomCloud(5, degree, 60 + degree);
        const { cloud } = await read(ksplatOf(given, level));
        expect([cloud.count, cloud.shDegree]).toEqual([5, degree]);
        const near = (
          name: 'positions' | 'scales' | 'colors' | 'opacities' | 'sh',
          most: number,
        ): void => {
          given[name].forEach((value, i) => {
            expect(Math.abs((cloud[name][i] as number) - value), name).toBeLessThanOrEqual(most);
          });
        };
        near('positions', level === 0 ? 1e-6 : 4e-5);
        near('scales', level === 0 ? 1e-6 : 1e-4);
        near('colors', 0.5 / 255 + 1e-6);
        near('opacities', 0.5 / 255 + 1e-6);
        near('sh', [1e-6, 3e-4, 1 / 255 + 1e-6][level] as number);
        for (let i = 0; i < 5; i += 1) {
          const cosine = [0, 1, 2, 3].reduce(
            (sum, k) =>
              sum + (cloud.rotations[i * 4 + k] as number) * (given.rotations[i * 4 + k] as number),
            0,
          );
          expect(Math.abs(cosine)).toBeGreaterThan(1 - 1e-6);
        }
      }
    },
  );
});

describe('changed and cut files give splats or a typed error', () => {
  const archive = new Uint8Array(
    readFileSync(new URL('../../e2e/fixtures/avatars/made-up.zip', import.meta.url)),
  );
  const repacked = async (
    name: string,
  ): Promise<[Uint8Array, (part: Uint8Array) => Uint8Array]> => {
    const files = await Promise.all(
      readZip(archive).map(async ({ path, bytes }) => [path, await bytes()] as const),
    );
    const part = files.find(([path]) => path === name)?.[1];
    if (!part) throw new Error(`the fixture has no ${name}`);
    return [part, (changed) => zipOf({ ...Object.fromEntries(files), [name]: changed })];
  };

  it('compressed PLY', async () => {
    const { count, sh } = (await read(compressedPly())).cloud;
    expect([count, sh.length]).toEqual([3, 27]);
    // Red, green and blue of the first coefficient are the bytes 0, 3 and 6 of a row.
    expect([...sh.subarray(0, 9)]).toEqual([-4, -4, -4, 0.015625, 0.015625, 0.015625, 4, 4, 4]);
    await fuzz(compressedPly(), 500, (file) => file);
  });

  it.each([0, 1, 2] as const)('.ksplat of level %i', async (level) => {
    await fuzz(ksplatOf(randomCloud(5, 1, 63), level), 200, (file) => file);
  });

  it('a ZIP archive as it comes', async () => {
    await fuzz(archive, 150, (file) => file);
  });

  it.each(['offset.ply', 'skin.glb', 'animation.glb'])(
    '%s of an avatar',
    async (name) => {
      const [part, whole] = await repacked(name);
      expect((await read(whole(part))).rig?.expressions.length).toBeGreaterThan(0);
      await fuzz(part, 400, whole);
    },
    30_000,
  );

  it.each(['vertices', 'triangles', 'expressions', 'expression_names'])(
    '%s of a mesh',
    async (name) => {
      const files = Object.fromEntries(
        await Promise.all(
          readZip(meshFile()).map(async ({ path, bytes }) => [path, await bytes()] as const),
        ),
      );
      const part = files[`${name}.npy`] as Uint8Array;
      await fuzz(part, 200, (changed) => headFile(zipOf({ ...files, [`${name}.npy`]: changed })));
    },
  );
});

const faceKit = new URL('../../../shared/data/avatars/ict-facekit.npz', import.meta.url);
if (!existsSync(faceKit)) console.info('skipped: ict-facekit.npz (../shared/data is missing)');

describe.skipIf(!existsSync(faceKit))('splats on the mesh of ICT-FaceKit', () => {
  it('open their jaw', async () => {
    const count = 400;
    const cloud = randomCloud(count, 0, 51);
    const triangles = Uint32Array.from({ length: count }, (_, i) => i * 25);
    const file = zipOf({
      'point_cloud.ply': boundPly(cloud, triangles),
      'ict-facekit.npz': new Uint8Array(readFileSync(faceKit)),
    });
    const { rig } = await read(file);
    expect(rig?.expressions).toHaveLength(57);
    expect(rig?.expressions).toContain('eyeBlinkLeft');
    const open = rig?.morphs[rig.expressions.indexOf('jawOpen')];
    expect(open?.indices.length).toBeGreaterThan(20);
    expect(open?.indices.length).toBeLessThan(count);
    const down = open?.deltas.filter((_, i) => i % 3 === 1) ?? new Float32Array();
    expect(Math.min(...down)).toBeLessThan(-0.5);
  }, 60_000);
});
