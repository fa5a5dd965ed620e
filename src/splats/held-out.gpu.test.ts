import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AvatarBody } from '../formats/avatar-body.ts';
import { readSplatFile, type SplatFile } from '../formats/splats.ts';
import { Gpu } from '../gpu/gpu.ts';
import type { BodyMethod, Camera } from '../types.ts';
import { uploadBody } from './body-layer.ts';
import { viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { renderPicture } from './picture.ts';
import { Pose } from './pose.ts';
import type { Quaternion } from './vector.ts';

const person = new URL('../../models/vitrail-person.zip', import.meta.url);
const heldOut = '/e2e/fixtures/avatars/held-out';

/** Written by train/person/held_out.py. */
interface HeldOut {
  camera: Camera;
  size: number;
  frames: {
    frame: number;
    expression: Record<string, number>;
    rotations: Record<string, Quaternion>;
    shift: [number, number, number];
  }[];
}

async function fetched(name: string): Promise<Response> {
  const response = await fetch(`${heldOut}/${name}`);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response;
}

/** R, G, B over white, and alpha: which pixels are the torso. */
async function truthOf(frame: number): Promise<Uint8ClampedArray> {
  const bitmap = await createImageBitmap(await (await fetched(`${frame}.webp`)).blob(), {
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  if (!context) throw new Error('no 2D context');
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function take(pose: Pose, { expression, rotations, shift }: HeldOut['frames'][number]): void {
  const { joints, expressions } = pose.rig;
  const find = (wanted: string): number => joints.findIndex(({ name }) => name === wanted);
  pose.weights.fill(0);
  for (const [name, weight] of Object.entries(expression)) {
    pose.weights[expressions.indexOf(name)] = weight;
  }
  for (const [name, turn] of Object.entries(rotations)) pose.setTurn(find(name), turn);
  const joint = find('root');
  const rest = joints[joint]?.translation ?? [];
  const values = Float32Array.from(rest, (at, i) => at + (shift[i] as number));
  const channel = {
    joint,
    path: 'translation',
    times: Float32Array.of(0),
    values,
    step: true,
  } as const;
  pose.applyClip({ name: 'shift', durationSeconds: 1, channels: [channel] }, 0);
  pose.update();
}

/** The shipped person as the runtime draws it, beside frames of its subject that its training never saw. */
describe('the torso of the person that comes along', () => {
  let gpu: Gpu;
  let file: SplatFile;
  let frames: HeldOut;
  let truths: Uint8ClampedArray[];
  beforeAll(async () => {
    gpu = await Gpu.create();
    const archive = new Uint8Array(await (await fetch(person)).arrayBuffer());
    file = await readSplatFile(archive, () => Promise.reject(new Error('no images')));
    frames = (await (await fetched('frames.json')).json()) as HeldOut;
    truths = await Promise.all(frames.frames.map(({ frame }) => truthOf(frame)));
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** PSNR over all frames' pixels of the torso, in dB. */
  async function ratioOf(way: BodyMethod, changes: Partial<AvatarBody> = {}): Promise<number> {
    const { cloud, rig, body } = file;
    if (!rig || !body) throw new Error('the person has a rig and a body');
    const geometry = await SplatGeometry.upload(gpu, cloud, rig);
    const uploaded = await uploadBody(gpu, { ...body, ...changes }, way);
    const pose = new Pose(rig);
    const view = viewTransform(frames.camera, frames.size, frames.size);
    let squares = 0;
    let values = 0;
    for (const [i, frame] of frames.frames.entries()) {
      take(pose, frame);
      const objects = [{ geometry, pose, body: uploaded }];
      const { data } = await renderPicture(gpu, objects, view, [1, 1, 1, 1], 'tiles');
      const truth = truths[i] as Uint8ClampedArray;
      for (let at = 0; at < truth.length; at += 4) {
        if (truth[at + 3] === 0) continue;
        for (let c = at; c < at + 3; c += 1) {
          squares += ((data[c] as number) - (truth[c] as number)) ** 2;
        }
        values += 3;
      }
    }
    uploaded.dispose();
    geometry.dispose();
    return -10 * Math.log10(squares / values / 255 ** 2);
  }

  it('is within 33 dB of its frames by homography and fields, and ten further by a homography alone', async () => {
    const [withFields, alone] = [
      await ratioOf('texture'),
      await ratioOf('texture', { fields: null }),
    ];
    console.info(
      `torso, ${frames.frames.length} frames: ${withFields.toFixed(2)} dB; without fields ${alone.toFixed(2)} dB`,
    );
    expect(withFields).toBeGreaterThan(32.5);
    expect(alone).toBeLessThan(withFields - 8);
    expect(alone).toBeGreaterThan(20);
  }, 60_000);
});
