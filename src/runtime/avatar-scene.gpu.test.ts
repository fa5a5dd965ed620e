import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import { viewTransform } from '../splats/camera.ts';
import { Pose } from '../splats/pose.ts';
import { overBackground, psnr, renderReference } from '../splats/render.ref.ts';
import {
  type Affine,
  composeAffine,
  type Quaternion,
  quaternionOfRotationVector,
} from '../splats/vector.ts';
import { fetchData, fetchFile, hasData } from '../testing/data.ts';
import { plyOf, randomCloud } from '../testing/splats.ts';
import type { Camera, Placement, RasterMethod } from '../types.ts';
import { EngineAvatar } from './avatar.ts';
import type { SceneMember } from './avatar-contract.ts';
import { EngineScene } from './avatar-scene.ts';

const methods: RasterMethod[] = ['quads', 'tiles'];
const grey = [0.5, 0.5, 0.5] as const;

let gpu: Gpu;
let avatars: Map<number, EngineAvatar>;
beforeEach(async () => {
  gpu = await Gpu.create();
  avatars = new Map();
});
afterEach(() => {
  for (const avatar of avatars.values()) avatar.dispose();
  expect(gpu.stats().gpuBytes).toBe(0);
  gpu.dispose();
});

async function open(file: Uint8Array): Promise<number> {
  const id = avatars.size + 1;
  avatars.set(id, await EngineAvatar.open(gpu, file, {}));
  return id;
}

function leave(id: number): void {
  avatars.get(id)?.dispose();
  avatars.delete(id);
}

const sceneOf = (...members: SceneMember[]): EngineScene =>
  new EngineScene(members, (id) => avatars.get(id));
const cloudFile = (seed: number, count = 150): Uint8Array =>
  plyOf(randomCloud(count, 1, seed), 'binary_little_endian');

function transformOf({ position = [0, 0, 0], rotation, scale = 1 }: Placement): Affine {
  const transform = new Float64Array(12);
  const turn = (rotation ?? [0, 0, 0, 1]) as Quaternion;
  composeAffine(transform, position, turn, [scale, scale, scale]);
  return transform;
}

interface Acting {
  file: Uint8Array;
  weights: Record<string, number>;
  joint: string;
  turn: Quaternion;
  place: Placement;
}

/** A scene's picture beside that of the double-precision reference, in dB; and the reference without its last avatar. */
async function compare(
  acting: readonly Acting[],
  camera: Camera,
  size: { width: number; height: number },
  method: RasterMethod,
): Promise<{ together: number; without: number }> {
  const members: SceneMember[] = [];
  const references = [];
  for (const { file, weights, joint, turn, place } of acting) {
    const id = await open(file);
    avatars.get(id)?.command({ type: 'expression', weights });
    avatars.get(id)?.command({ type: 'joint', name: joint, rotation: [...turn] });
    members.push({ avatar: id, ...place });
    const { cloud, rig } = await readSplatFile(file, () => Promise.reject(new Error()));
    if (!rig) throw new Error('no rig');
    const pose = new Pose(rig);
    for (const [name, weight] of Object.entries(weights)) {
      pose.weights[rig.expressions.indexOf(name)] = weight;
    }
    pose.setTurn(
      rig.joints.findIndex(({ name }) => name === joint),
      turn,
    );
    pose.update();
    references.push({ cloud, pose, transform: transformOf(place) });
  }
  const view = viewTransform(camera, size.width, size.height);
  const { data } = await sceneOf(...members).render({ ...size, camera, background: grey, method });
  return {
    together: psnr(data, overBackground(renderReference(references, view), grey)),
    without: psnr(data, overBackground(renderReference(references.slice(0, -1), view), grey)),
  };
}

describe.each(methods)('two avatars in one another, with %s', (method) => {
  it('equal the reference to 45 dB: own poses, places and scales, bodies as splats', async () => {
    const file = await fetchFile('/e2e/fixtures/avatars/made-up.zip');
    const { rig } = await readSplatFile(file, () => Promise.reject(new Error()));
    const [name = ''] = rig?.expressions ?? [];
    const acting = (weight: number, turn: Quaternion, place: Placement): Acting => ({
      file,
      weights: { [name]: weight },
      joint: 'chest',
      turn,
      place,
    });
    const first = acting(1, quaternionOfRotationVector([0, 0.2, 0]), {});
    const second = acting(0, quaternionOfRotationVector([0.2, -0.3, 0.1]), {
      position: [0.08, 0.03, -0.02],
      rotation: quaternionOfRotationVector([0, 0.9, 0.2]),
      scale: 0.8,
    });
    const camera = { position: [0.2, 0.1, 1.7], target: [0, 0, 0], fovY: 26 } as const;
    const size = { width: 176, height: 144 };
    const { together, without } = await compare([first, second], camera, size, method);
    console.info(`two avatars, ${method}: ${together.toFixed(1)} dB`);
    expect(together).toBeGreaterThanOrEqual(45);
    expect(without).toBeLessThan(35);
  });

  it.skipIf(!hasData())(
    'equal the reference to 45 dB: two heads of LAM',
    async () => {
      const acting: Acting[] = [
        {
          file: await fetchData('avatars/status.zip'),
          weights: { jawOpen: 0.7, eyeBlinkLeft: 1 },
          joint: 'head',
          turn: quaternionOfRotationVector([0.1, 0.3, 0]),
          place: { position: [-0.03, 0, 0] },
        },
        {
          file: await fetchData('avatars/p2-1.zip'),
          weights: { mouthSmileLeft: 0.9, browInnerUp: 0.8 },
          joint: 'head',
          turn: quaternionOfRotationVector([-0.1, -0.4, 0.1]),
          place: {
            position: [0.04, 0.01, 0.02],
            rotation: quaternionOfRotationVector([0, -0.5, 0]),
            scale: 1.1,
          },
        },
      ];
      const reference = new TextDecoder().decode(await fetchData('avatars/status-reference.json'));
      const { camera } = JSON.parse(reference) as { camera: Camera };
      const size = { width: 192, height: 192 };
      const { together, without } = await compare(acting, camera, size, method);
      console.info(`two heads, ${method}: ${together.toFixed(1)} dB`);
      expect(together).toBeGreaterThanOrEqual(45);
      expect(without).toBeLessThan(35);
    },
    60_000,
  );
});

describe('a scene', () => {
  it('draws the same avatar at several places', async () => {
    const avatar = await open(cloudFile(81));
    const camera: Camera = { position: [0, 0, 9], target: [0, 0, 0], fovY: 40 };
    const options = { width: 60, height: 40, camera, method: 'tiles' } as const;
    const covered = async (scene: EngineScene): Promise<number> =>
      (await scene.render(options)).data.filter((value, i) => i % 4 === 3 && value > 30).length;
    const one = await covered(sceneOf({ avatar }));
    const two = await covered(
      sceneOf({ avatar, position: [-2, 0, 0] }, { avatar, position: [2, 0, 0] }),
    );
    expect(two / one).toBeGreaterThan(1.8);
    expect(two / one).toBeLessThan(2.2);
  });

  it('draws a body at the place of its avatar', async () => {
    const avatar = await open(await fetchFile('/e2e/fixtures/avatars/made-up.zip'));
    const turn = quaternionOfRotationVector([0, 0.6, 0]);
    const place = { position: [0.3, -0.2, 0.1], rotation: turn, scale: 2 } as const;
    const m = transformOf(place);
    const moved = ([x, y, z]: readonly number[], w: number): [number, number, number] =>
      [0, 4, 8].map(
        (row) =>
          (m[row] ?? 0) * (x ?? 0) +
          (m[row + 1] ?? 0) * (y ?? 0) +
          (m[row + 2] ?? 0) * (z ?? 0) +
          (m[row + 3] ?? 0) * w,
      ) as [number, number, number];
    const camera = { position: [0.3, 0.1, 1.62], target: [0, 0, 0], fovY: 26 } as const;
    // The camera goes with the avatar: the picture is the same.
    const along: Camera = {
      position: moved(camera.position, 1),
      target: moved(camera.target, 1),
      up: moved([0, 1, 0], 0),
      fovY: 26,
    };
    const options = { width: 96, height: 80, background: grey, method: 'quads' } as const;
    const still = await sceneOf({ avatar }).render({ ...options, camera });
    const away = await sceneOf({ avatar, ...place }).render({ ...options, camera: along });
    expect(psnr(still.data, away.data)).toBeGreaterThan(45);
  });

  it('is drawn without an avatar that is disposed of while it is drawn', async () => {
    const [first, second] = [await open(cloudFile(88)), await open(cloudFile(89))];
    const options = {
      width: 40,
      height: 40,
      camera: { position: [0, 0, 6], target: [0, 0, 0], fovY: 40 },
    } as const;
    const alone = await sceneOf({ avatar: first }).render({ ...options, method: 'quads' });
    const under = sceneOf({ avatar: first }, { avatar: second }).render({
      ...options,
      method: 'quads',
    });
    leave(second);
    expect((await under).data).toEqual(alone.data);
  });

  it('frames all who are there', async () => {
    const avatar = await open(cloudFile(82));
    const corners = async (...members: SceneMember[]): Promise<number> => {
      const { data, width } = await sceneOf(...members).render({ width: 64, height: 48 });
      const edge = data.filter((_, i) => i % 4 === 3 && ((i >> 2) % width === 0 || i < width * 4));
      return Math.max(...edge);
    };
    expect(await corners({ avatar, position: [8, 0, 0] })).toBe(0);
    expect(await corners({ avatar }, { avatar, position: [3, 3, -2], scale: 2 })).toBe(0);
  });

  it('refuses places that are none, and tells when nobody is there', async () => {
    const avatar = await open(cloudFile(83));
    const wrong: Placement[] = [
      { position: [0, Number.NaN, 0] },
      { rotation: [0, 0, 0, 2] },
      { scale: 0 },
      { scale: Number.POSITIVE_INFINITY },
    ];
    const options = { width: 16, height: 16 };
    for (const place of wrong) {
      const failure = await sceneOf({ avatar, ...place })
        .render(options)
        .catch((error) => error);
      expect(failure).toMatchObject({ code: 'invalid-argument', where: 'avatar/scene' });
    }
    const scene = sceneOf({ avatar });
    leave(avatar);
    await expect(scene.render(options)).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});
