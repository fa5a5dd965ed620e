import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import {
  type PlyFormat,
  plyOf,
  randomCloud,
  sogOf,
  splatFileOf,
  spzOf,
} from '../testing/splats.ts';
import { placeOnTriangles } from './gaussian-avatars.ts';
import { parseNpz } from './npz.ts';
import { parsePlySplats } from './ply-splats.ts';
import { type ImageDecoder, parseSog } from './sog.ts';
import { emptyCloud, type SplatCloud, setRotation } from './splat-cloud.ts';
import { readSplatFile } from './splats.ts';

const noImages: ImageDecoder = () => Promise.reject(new Error('there are no images here'));

async function read(file: Uint8Array): Promise<SplatCloud> {
  return (await readSplatFile(file, noImages)).cloud;
}

/** Largest difference of each column. Rotations may differ in sign as a whole. */
function differences(a: SplatCloud, b: SplatCloud): Record<string, number> {
  expect(a.count).toBe(b.count);
  expect(a.shDegree).toBe(b.shDegree);
  const largest = (x: Float32Array, y: Float32Array): number =>
    x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] as number))), 0);
  let rotation = 0;
  for (let i = 0; i < a.count; i += 1) {
    let cosine = 0;
    for (let k = i * 4; k < i * 4 + 4; k += 1) {
      cosine += (a.rotations[k] as number) * (b.rotations[k] as number);
    }
    rotation = Math.max(rotation, 1 - Math.abs(cosine));
  }
  return {
    positions: largest(a.positions, b.positions),
    scales: largest(a.scales.map(Math.log), b.scales.map(Math.log)),
    opacities: largest(a.opacities, b.opacities),
    colors: largest(a.colors, b.colors),
    sh: largest(a.sh, b.sh),
    rotation,
  };
}

function expectAlike(a: SplatCloud, b: SplatCloud, limits: Record<string, number>): void {
  for (const [column, difference] of Object.entries(differences(a, b))) {
    expect(difference, column).toBeLessThanOrEqual(limits[column] ?? limits.rest ?? 0);
  }
}

describe('PLY of splats', () => {
  const formats: PlyFormat[] = ['ascii', 'binary_little_endian', 'binary_big_endian'];
  const orders: [string, (names: string[]) => string[]][] = [
    ['the usual order', (names) => names],
    ['reverse order', (names) => names.toReversed()],
    ['alphabetical order', (names) => names.toSorted()],
    ['with columns that nobody needs', (names) => ['nx', ...names, 'nz']],
  ];
  it.each(formats.flatMap((format) => orders.map((order) => [format, ...order] as const)))(
    '%s, %s, all degrees',
    async (format, _, arrange) => {
      for (const degree of [0, 1, 2, 3] as const) {
        const cloud = randomCloud(17, degree, 40 + degree);
        expectAlike(await read(plyOf(cloud, format, arrange)), cloud, { rest: 1e-5 });
      }
    },
  );

  it('keeps the triangles of GaussianAvatars, and says what they need', async () => {
    const file = plyOf(randomCloud(3, 0, 1), 'binary_little_endian', (names) => [
      ...names,
      'binding_0',
    ]);
    expect(parsePlySplats(file).binding).toEqual(Uint32Array.of(0, 0, 0));
    await expect(read(file)).rejects.toMatchObject({ code: 'model-unsupported' });
  });
});

describe('one scene in several formats', () => {
  const cloud = randomCloud(50, 0, 7);
  it('.splat holds colours and rotations in bytes', async () => {
    expectAlike(await read(splatFileOf(cloud)), cloud, {
      rest: 1e-6,
      colors: 0.5 / 255 + 1e-6,
      opacities: 0.5 / 255 + 1e-6,
      rotation: 3e-4,
    });
  });

  it.each([0, 1, 2, 3] as const)('.spz of degree %i is y up', async (degree) => {
    const scene = randomCloud(50, degree, 8);
    const limits = {
      positions: 1.3e-4,
      scales: 1 / 32 + 1e-3,
      opacities: 0.5 / 255 + 1e-6,
      colors: 0.004,
      sh: 0.5 / 128 + 1e-6,
      rotation: 5e-3,
    };
    expectAlike(await read(spzOf(scene)), scene, limits);
    expectAlike(await read(new Uint8Array(gzipSync(spzOf(scene)))), scene, limits);
    // Version 1 has halves for positions: ten bits behind the first.
    const old = new Uint8Array(gzipSync(spzOf(scene, 1)));
    expectAlike(await read(old), scene, { ...limits, positions: 2 ** -12 + 1e-6 });
  });
});

describe('SOG', () => {
  const cloud = randomCloud(70, 1, 21);
  const { meta, planes } = sogOf(cloud);
  const name = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const readPlane = async (file: string): Promise<Uint8Array> => new TextEncoder().encode(file);
  const decode: ImageDecoder = async (file) => {
    const plane = planes.get(name(file));
    if (!plane) throw new Error('no such image');
    return plane;
  };
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

  it('holds positions in 16 bits and the rest in codebooks', async () => {
    expectAlike(await parseSog(json(meta), readPlane, decode), cloud, {
      positions: 1e-4,
      scales: 0.01,
      opacities: 0.5 / 255 + 1e-6,
      colors: 0.005,
      sh: 0.003,
      rotation: 1e-4,
    });
  });

  it('gives splats or a typed error, whatever meta.json says', async () => {
    const value = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.constant([]));
    const keys = ['version', 'count', 'means', 'scales', 'quats', 'sh0', 'shN'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), value, async (key, wrong) => {
        const changed = { ...meta, [key]: wrong };
        await parseSog(json(changed), readPlane, decode).catch((thrown) =>
          expect(thrown).toBeInstanceOf(VitrailError),
        );
      }),
      { numRuns: 200 },
    );
    await expect(parseSog(json(meta), async () => null, decode)).rejects.toMatchObject({
      code: 'model-corrupt',
    });
  });
});

describe('GaussianAvatars', () => {
  it('places a splat in the frame of its triangle', () => {
    const local = emptyCloud(1);
    local.positions.set([1, 0, 0]);
    local.scales.set([0.1, 0.2, 0.3]);
    setRotation(local.rotations, 0, 0, 0, 0, 1);
    const mesh = {
      vertices: Float32Array.of(0, 0, 0, 2, 0, 0, 0, 2, 0),
      triangles: Uint32Array.of(0, 1, 2),
    };
    const placed = placeOnTriangles(local, Uint32Array.of(0), mesh);
    // R has the columns x, z and −(z × x) = −y; k is 2; T is the mean (2/3, 2/3, 0).
    expect([...placed.positions].map((value) => Number(value.toFixed(5)))).toEqual([
      2.66667, 0.66667, 0,
    ]);
    expect([...placed.scales].map((value) => Number(value.toFixed(5)))).toEqual([0.2, 0.4, 0.6]);
    const [x, y, z, w] = placed.rotations as unknown as [number, number, number, number];
    // The second axis, y, becomes z.
    expect(2 * (y * z + x * w)).toBeCloseTo(1, 6);
  });
});

/** Whatever the bytes are: splats or a typed error. */
async function expectTyped(file: Uint8Array): Promise<void> {
  await read(file).catch((thrown) => expect(thrown).toBeInstanceOf(VitrailError));
}

describe('a splat file that cannot be used', () => {
  const ply = plyOf(randomCloud(4, 1, 3), 'binary_little_endian');
  const text = (from: string, to: string): Uint8Array => {
    const latin = new TextDecoder('latin1').decode(ply).replace(from, to);
    return Uint8Array.from(latin, (character) => character.charCodeAt(0));
  };
  it.each<[string, Uint8Array, string, RegExp]>([
    ['a web page', new TextEncoder().encode('<!doctype html>'), 'model-corrupt', /text/],
    ['no bytes', new Uint8Array(), 'model-corrupt', /multiple of 32/],
    ['a cut PLY', ply.subarray(0, -1), 'model-corrupt', /ends inside/],
    ['a header without end', ply.subarray(0, 90), 'model-corrupt', /no end/],
    ['10^12 splats', text('vertex 4', 'vertex 1000000000000'), 'model-corrupt', /claims/],
    [
      'a mesh',
      text('property float opacity', 'property float quality'),
      'model-unsupported',
      /opacity/,
    ],
    [
      '8 coefficients',
      text('property float f_rest_8', 'property float f_more_8'),
      'model-unsupported',
      /8 spherical/,
    ],
    ['an unknown type', text('property float x', 'property quad x'), 'model-corrupt', /quad/],
    [
      'SPZ 5',
      Uint8Array.from(spzOf(randomCloud(2, 0, 1)), (b, i) => (i === 4 ? 5 : b)),
      'model-unsupported',
      /version 5/,
    ],
    ['a cut SPZ', spzOf(randomCloud(2, 0, 1)).subarray(0, -1), 'model-corrupt', /ends inside/],
    ['damaged gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3), 'model-corrupt', /damaged/],
    ['a cut archive', Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0), 'model-corrupt', /end is missing/],
  ])('%s', async (_, file, code, message) => {
    const error = await read(file).then(
      () => null,
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(VitrailError);
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
    expect(error.fix.length).toBeGreaterThan(20);
  });

  it.each<[string, Uint8Array]>([
    ['PLY', ply],
    ['ascii PLY', plyOf(randomCloud(4, 0, 3), 'ascii')],
    ['SPZ', spzOf(randomCloud(4, 1, 3))],
    ['.splat', splatFileOf(randomCloud(4, 0, 3))],
  ])('any changed byte of %s gives splats or a typed error', async (_, file) => {
    await fuzz(file, 300);
  });
});

/** Overwrites bytes here and there and cuts the end off. */
async function fuzz(file: Uint8Array, numRuns: number, within = file.length): Promise<void> {
  const change = fc.record({ at: fc.nat(within - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.oneof(fc.constant(file.length), fc.nat(file.length)),
      async (changes, cut) => {
        const changed = file.slice(0, cut);
        for (const { at, byte } of changes) changed[at] = byte;
        await expectTyped(changed);
      },
    ),
    { numRuns },
  );
}

const data = new URL('../../../shared/data/', import.meta.url);
const hasData = existsSync(data);
if (!hasData) console.info('skipped: real splat files (../shared/data is missing)');
const dataFile = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, data)));

describe.skipIf(!hasData)('real splat files', () => {
  it.each([
    'minimal.splat',
    'minimal.ksplat',
    'minimal-raw.spz',
    'minimal-v2.spz',
    'minimal-v3.spz',
    'minimal-v4.spz',
  ])('%s has four splats of 10 cm', async (name) => {
    const cloud = await read(dataFile(`splats/${name}`));
    expect(cloud.count).toBe(4);
    for (const scale of cloud.scales) expect(scale).toBeCloseTo(0.1, 2);
    for (const opacity of cloud.opacities) expect(opacity).toBeCloseTo(0.9, 2);
    for (const position of cloud.positions) expect([0, 1]).toContain(Math.abs(position));
    await fuzz(dataFile(`splats/${name}`), 100, Math.min(5000, dataFile(`splats/${name}`).length));
  });

  it('the biker is the same from SPZ 4 and from compressed PLY', async () => {
    const spz = await read(dataFile('splats/biker.spz'));
    const ply = await read(dataFile('splats/biker.compressed.ply'));
    // The least scale that SPZ can hold is e⁻¹⁰.
    ply.scales = ply.scales.map((scale) => Math.max(scale, Math.exp(-10)));
    expect(spz.count).toBe(152_746);
    // Both are rounded: SPZ to 1/16 in log scale and 8-bit colours, PLY to shares of a chunk.
    expectAlike(spz, ply, {
      positions: 0.06,
      scales: 0.2,
      opacities: 1e-6,
      colors: 0.02,
      rotation: 2e-4,
    });
  });

  it.each(['status.zip', 'p2-1.zip'])('%s is a rigged head of 20,018 splats', async (name) => {
    const { cloud, rig } = await readSplatFile(dataFile(`avatars/${name}`), noImages);
    expect(cloud.count).toBe(20_018);
    expect(rig?.expressions).toHaveLength(51);
    expect(rig?.clips.map(({ name }) => name)).toContain('yumi_h5_a3_idle');
    expect(rig?.clips).toHaveLength(12);
    const heights = cloud.positions.filter((_, i) => i % 3 === 1);
    expect(Math.min(...heights)).toBeGreaterThan(1.4);
    expect(Math.max(...heights)).toBeLessThan(1.9);
    expect(Math.min(...cloud.colors)).toBeGreaterThanOrEqual(0);
    const live = new Set(
      [...(rig?.skinJoints ?? [])].filter((_, i) => (rig?.skinWeights[i] ?? 0) > 0),
    );
    expect([...live].map((joint) => rig?.joints[joint]?.name).sort()).toEqual([
      'chestUpper',
      'head',
      'lCollar',
      'neckLower',
      'neckUpper',
      'rCollar',
    ]);
  });

  it('ict-facekit.npz has its arrays', async () => {
    const arrays = await parseNpz(dataFile('avatars/ict-facekit.npz'));
    const shapes = new Map([...arrays].map(([name, { shape }]) => [name, shape]));
    expect([...shapes.values()]).toContainEqual([26_719, 3]);
    const texts = [...arrays.values()].map(({ values }) => values).filter(Array.isArray);
    expect(texts.flat()).toContain('browDown_L');
  });
});
