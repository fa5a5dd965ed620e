import type { Rig } from '../formats/rig.ts';
import type { SplatCloud } from '../formats/splat-cloud.ts';
import { numberToHalf } from '../quant/half.ts';
import { type ViewTransform, viewTransform } from '../splats/camera.ts';
import { packRig, packSphericalHarmonics, packSplats, poseFloats } from '../splats/pack.ts';
import { Pose } from '../splats/pose.ts';
import { projectAll } from '../splats/render.ref.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { randomCloud } from '../testing/splats.ts';
import { hiddenKey, projectFrameWords, type SplatProjectUse } from './splat-project.ts';

const keyBits = 16;
const depths = { least: 1, most: 6 };

/** Splats of a scene that belong to an object. */
interface Range {
  first: number;
  count: number;
}

/** The uniform: rows of the view, camera and focal length, size, least depth and key steps; the object's splats, and the highest key. */
function frameOf(view: ViewTransform, { first, count }: Range): Float32Array<ArrayBuffer> {
  const steps = hiddenKey(keyBits) / (depths.most - depths.least);
  const { width, height, focal } = view;
  const frame = new Float32Array(projectFrameWords);
  frame.set([...view.view, ...view.position, focal, width, height, depths.least, steps]);
  new Uint32Array(frame.buffer).set([count, first, hiddenKey(keyBits)], 20);
  return frame;
}

/** cache [slots, 8]: words of halves are left as they are packed, too small to weigh in an error. */
export function splatProjectReference(
  cloud: SplatCloud,
  pose: Pose | null,
  view: ViewTransform,
  { first, count }: Range,
): { cache: Float64Array; keys: Float64Array; visible: number } {
  const slots = first + count;
  const cache = new Float64Array(slots * 8).fill(Number.NaN);
  const keys = new Float64Array(slots).fill(Number.NaN);
  keys.fill(hiddenKey(keyBits), first);
  let visible = 0;
  for (const splat of projectAll({ cloud, pose }, view)) {
    const [a, b, c] = splat.conic;
    const determinant = a * c - b * b;
    const squares = 2 * Math.log(splat.opacity * 255);
    const halfX = Math.sqrt((squares * c) / determinant);
    const halfY = Math.sqrt((squares * a) / determinant);
    const outside =
      splat.x + halfX < 0 ||
      splat.y + halfY < 0 ||
      splat.x - halfX > view.width ||
      splat.y - halfY > view.height;
    if (outside || splat.index >= count) continue;
    visible += 1;
    const slot = first + splat.index;
    const halves = (low: number, high: number): number =>
      asFloat(numberToHalf(low) | (numberToHalf(high) << 16));
    cache.set([splat.x, splat.y, a, b, c], slot * 8);
    cache.set(
      [
        halves(splat.color[0], splat.color[1]),
        halves(splat.color[2], splat.opacity),
        halves(halfX, halfY),
      ],
      slot * 8 + 5,
    );
    const steps =
      ((splat.depth - depths.least) * hiddenKey(keyBits)) / (depths.most - depths.least);
    keys[slot] = Math.floor(Math.min(hiddenKey(keyBits) - 1, Math.max(0, steps)));
  }
  return { cache, keys, visible };
}

function asFloat(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0] as number;
}

/** A rig of three joints in a row and five expressions, for tests. */
export function randomRig(count: number, seed: number): Rig {
  const random = new Random(seed);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const identity = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
  const weights = Float32Array.from({ length: count * 4 }, () => random.uniform());
  for (let i = 0; i < count * 4; i += 4) {
    const row = weights.subarray(i, i + 4);
    const sum = row.reduce((total, weight) => total + weight);
    row.forEach((weight, k) => {
      row[k] = weight / sum;
    });
  }
  return {
    expressions: names,
    morphs: names.map(() => {
      const indices = Uint32Array.from({ length: count }, (_, i) => i).filter(
        () => random.uniform() < 0.3,
      );
      const deltas = Float32Array.from({ length: indices.length * 3 }, () => random.normal(0.1));
      return { indices, deltas };
    }),
    joints: [0, 1, 2].map((i) => ({
      name: `joint ${i}`,
      parent: i - 1,
      translation: [0, i === 0 ? 0 : 0.3, 0],
      rotation: [0, 0, 0, 1],
      scale: [1, 1, 1],
      inverseBind: Float32Array.from(identity, (value, k) => (k === 13 ? -0.3 * i : value)),
    })),
    skinJoints: Uint8Array.from({ length: count * 4 }, () => random.uniform() * 3),
    skinWeights: weights,
    clips: [],
  };
}

function toCase(
  name: string,
  count: number,
  use: { first: number; drawn?: number; shDegree: 0 | 1 | 2 | 3; rigged: boolean },
  seed: number,
): KernelCase<SplatProjectUse> {
  const cloud = randomCloud(count, use.shDegree, seed);
  const view = viewTransform({ position: [0.4, 0.7, 3], target: [0.2, 0, 0], fovY: 35 }, 320, 200);
  const pose = use.rigged ? new Pose(randomRig(count, seed + 1)) : null;
  pose?.weights.set([0.5, -0.2, 1, 0, 0.3]);
  pose?.setTurn(1, [0.1, 0.2, 0, Math.sqrt(0.95)]);
  pose?.update();
  const range = { first: use.first, count: use.drawn ?? count };
  return {
    name,
    use: {
      count,
      shDegree: use.shDegree,
      ...(pose ? { joints: pose.liveJoints.length } : {}),
    },
    rows: 1,
    tolerance: {
      nmse: 1e-5,
      because:
        'keys round down, so that one may be a step off; morphs, here far larger than those of a face, are stored as halves',
    },
    inputs: () => ({
      frame: frameOf(view, range),
      splats: packSplats(cloud),
      ...(use.shDegree > 0 ? { sh: packSphericalHarmonics(cloud) } : {}),
      ...(pose ? { ...packRig(pose.rig, pose, count), pose: packedPose(pose) } : {}),
      draw: Uint32Array.of(4, 0, 0, 0),
    }),
    outputs: () => {
      const { cache, keys, visible } = splatProjectReference(cloud, pose, view, range);
      return {
        cache: { values: cache },
        keys: { values: keys, storage: 'u32' as const },
        draw: { values: Float64Array.of(4, visible, 0, 0), storage: 'u32' as const },
      };
    },
  };
}

function packedPose(pose: Pose): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(poseFloats(pose));
  packed.set(pose.skinMatrices);
  packed.set(pose.weights, pose.skinMatrices.length);
  return packed;
}

export const splatProjectCases: readonly KernelCase<SplatProjectUse>[] = [
  toCase('one splat', 1, { first: 0, shDegree: 0, rigged: false }, 701),
  toCase('a rigid cloud, not the first', 257, { first: 31, shDegree: 0, rigged: false }, 702),
  toCase('harmonics of degree 1', 63, { first: 0, shDegree: 1, rigged: false }, 703),
  toCase('harmonics of degree 2', 64, { first: 5, shDegree: 2, rigged: false }, 704),
  toCase('harmonics of degree 3', 65, { first: 0, shDegree: 3, rigged: false }, 705),
  toCase('morphed and skinned', 131, { first: 7, shDegree: 0, rigged: true }, 706),
  toCase('morphed, skinned, harmonics', 101, { first: 0, shDegree: 3, rigged: true }, 707),
  toCase('without the last ones', 140, { first: 3, drawn: 70, shDegree: 1, rigged: true }, 708),
];
