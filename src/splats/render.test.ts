import { existsSync, readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readSplatFile } from '../formats/splats.ts';
import type { Camera } from '../types.ts';
import { viewTransform } from './camera.ts';
import { Pose } from './pose.ts';
import { overBackground, psnr, renderReference } from './render.ref.ts';
import type { Vec3 } from './vector.ts';

const data = new URL('../../../shared/data/', import.meta.url);
const hasData = existsSync(data);
if (!hasData) console.info('skipped: reference renders (../shared/data is missing)');
const dataFile = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, data)));
const noImages = (): Promise<never> => Promise.reject(new Error('no images'));

interface Reference {
  camera: Camera;
  size: number;
  background: Vec3;
  poses: Record<string, Record<string, number>>;
}

describe.skipIf(!hasData)('the reference renderer', () => {
  it('equals the exact renders of an avatar to 55 dB', async () => {
    const json = new TextDecoder().decode(dataFile('avatars/status-reference.json'));
    const { camera, size, background, poses } = JSON.parse(json) as Reference;
    const { cloud, rig } = await readSplatFile(dataFile('avatars/status.zip'), noImages);
    if (!rig) throw new Error('no rig');
    for (const [name, weights] of Object.entries(poses)) {
      const pose = new Pose(rig);
      for (const [expression, weight] of Object.entries(weights)) {
        pose.weights[rig.expressions.indexOf(expression)] = weight;
      }
      pose.update();
      const image = renderReference([{ cloud, pose }], viewTransform(camera, size, size));
      const expected = decodePng(dataFile(`avatars/status-reference-${name}.png`));
      const ratio = psnr(overBackground(image, background), expected);
      console.info(`${name}: ${ratio.toFixed(1)} dB`);
      expect(ratio).toBeGreaterThanOrEqual(55);
    }
  }, 30_000);
});

/** A PNG of 8 bits a channel, RGB or RGBA, not interlaced, as R, G, B, A. */
function decodePng(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const channels = view.getUint8(25) === 6 ? 4 : 3;
  const parts: Uint8Array[] = [];
  for (let at = 8; at < file.length; at += view.getUint32(at) + 12) {
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (type === 'IDAT') parts.push(file.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const rows = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const plain = new Uint8Array(height * stride);
  const pixels = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y += 1) {
    const filter = rows[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const left = x >= channels ? (plain[y * stride + x - channels] as number) : 0;
      const up = y > 0 ? (plain[(y - 1) * stride + x] as number) : 0;
      const corner =
        x >= channels && y > 0 ? (plain[(y - 1) * stride + x - channels] as number) : 0;
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter as number];
      const value = (rows[y * (stride + 1) + 1 + x] as number) + (predicted as number);
      plain[y * stride + x] = value;
      pixels[(y * width + Math.floor(x / channels)) * 4 + (x % channels)] = value;
    }
  }
  return pixels;
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(estimate - value)) as [
    number,
    number,
    number,
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
