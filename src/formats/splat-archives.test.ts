import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { npyOf, plyOf, randomCloud, zipOf } from '../testing/splats.ts';
import { placeOnTriangles } from './gaussian-avatars.ts';
import type { Rig } from './rig.ts';
import type { SplatCloud } from './splat-cloud.ts';
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
${words.map((name) => `property uint ${name}\n`).join('')}end_header
`;
  const values = [
    ...new Uint8Array(Float32Array.from(names, (_, i) => (i % 2 === 0 ? -1 : 1)).buffer),
    ...new Uint8Array(Uint32Array.from({ length: 12 }, (_, i) => (i + 1) * 0x1357_9bdf).buffer),
  ];
  return Uint8Array.from([...new TextEncoder().encode(head), ...values]);
}

/** A `.ksplat` without compression: header, one section of two splats in no buckets. */
function ksplat(): Uint8Array {
  const file = new Uint8Array(4096 + 1024 + 2 * 44);
  const view = new DataView(file.buffer);
  file.set([0, 1]);
  for (const [at, value] of [
    [4, 1],
    [8, 1],
    [12, 2],
    [16, 2],
    [4096, 2],
    [4100, 2],
  ] as const) {
    view.setUint32(at, value, true);
  }
  for (let splat = 0; splat < 2; splat += 1) {
    const at = 4096 + 1024 + splat * 44;
    [0.5, -0.5, 1, 0.1, 0.1, 0.1, 1, 0, 0, 0].forEach((value, i) => {
      view.setFloat32(at + i * 4, value, true);
    });
    file.set([255, 128, 0, 200], at + 40);
  }
  return file;
}

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
    expect((await read(compressedPly())).cloud.count).toBe(3);
    await fuzz(compressedPly(), 500, (file) => file);
  });

  it('.ksplat', async () => {
    expect((await read(ksplat())).cloud.count).toBe(2);
    await fuzz(ksplat(), 300, (file) => file);
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
