import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { readAvatarBody } from './avatar-body.ts';
import { readLamArchive } from './lam.ts';
import { readZip, type ZipEntry } from './zip.ts';

const entries = readZip(readFileSync('e2e/fixtures/avatars/made-up.zip'));
const expected = JSON.parse(
  readFileSync('e2e/fixtures/avatars/made-up.expected.json', 'utf8'),
) as Expected;

interface Expected {
  condition: number[];
  homography: number[][];
  projections: number[][];
}

function replaced(path: string, bytes: Uint8Array<ArrayBuffer>): ZipEntry[] {
  return entries.map((entry) =>
    entry.path === path ? { path, bytes: () => Promise.resolve(bytes) } : entry,
  );
}

/** `body.safetensors`, a letter a byte. */
async function bodyText(): Promise<string> {
  const file = entries.find(({ path }) => path === 'body.safetensors');
  return new TextDecoder('latin1').decode(await file?.bytes());
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

describe('the body of an avatar', () => {
  it('is read with its networks, anchors and maps', async () => {
    const body = await readAvatarBody(entries);
    expect(body).toMatchObject({ image: 64, pad: 6, poseJoints: ['chest', 'neck'] });
    expect(body?.camera.fovY).toBe(20);
    expect(body?.coarse).toMatchObject({ channels: 4, size: 76 });
    expect(body?.latents).toMatchObject({ channels: 4, size: 38 });
    expect(body?.warp.map(({ inputs, outputs }) => [inputs, outputs])).toEqual([
      [26 + expected.condition.length, 16],
      [16, 16],
      [16, 16],
      [16, 16],
      [16, 2],
    ]);
    expect(body?.fine[0]?.inputs).toBe(4 + expected.condition.length);
    expect(body?.anchors.count).toBe(expected.projections.length);
    expect(body?.landmarks.count).toBe(4);
    expect(body?.fields).toMatchObject({ channels: 6, size: 9 });
    expect(body?.networksSee).toBe('homography');
    expect(String.fromCharCode(...(body?.texture.subarray(1, 4) ?? []))).toBe('PNG');
    const red = body?.coarse.values.subarray(0, 76) ?? [];
    expect([red[0], red[75]]).toEqual([0, 1]);
  });

  it('stands beside a head that LAM’s loader reads', async () => {
    const { cloud, rig } = await readLamArchive(entries);
    expect(cloud).toMatchObject({ count: 300, shDegree: 1 });
    expect(rig.joints.map(({ name }) => name)).toEqual([
      'root',
      'chest',
      'neck',
      'head',
      'leftEye',
      'rightEye',
    ]);
    const body = await readAvatarBody(entries);
    expect(Math.max(...(body?.anchors.joints ?? [99]))).toBeLessThan(rig.joints.length);
  });

  it('may be missing', async () => {
    expect(await readAvatarBody(entries.filter(({ path }) => !path.startsWith('body')))).toBeNull();
  });

  it('has networks for pixels and no displacement fields where an older file says nothing', async () => {
    const text = await bodyText();
    const older = text.replace('"networks"', '"netwerks"').replace('"fields"', '"feelds"');
    const body = await readAvatarBody(replaced('body.safetensors', bytesOf(older)));
    expect(body).toMatchObject({ fields: null, networksSee: 'picture' });
    const odd = text.replace('"shape":[6,9,9]', '"shape":[9,6,9]');
    await expect(readAvatarBody(replaced('body.safetensors', bytesOf(odd)))).rejects.toThrow();
  });

  it('names what is wrong', async () => {
    const noTexture = entries.filter(({ path }) => path !== 'body.png');
    await expect(readAvatarBody(noTexture)).rejects.toThrow('body.webp');
    const text = await bodyText();
    const other = replaced(
      'body.safetensors',
      bytesOf(text.replace('vitrail-body 1', 'vitrail-body 9')),
    );
    await expect(readAvatarBody(other)).rejects.toMatchObject({ code: 'model-unsupported' });
    const lost = replaced('body.safetensors', bytesOf(text.replace('warp.3.bias', 'warp.3.bios')));
    await expect(readAvatarBody(lost)).rejects.toThrow('warp.3.bias');
  });

  it('gives typed errors for damaged files', async () => {
    const file = (await entries
      .find(({ path }) => path === 'body.safetensors')
      ?.bytes()) as Uint8Array;
    const header = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(header - 1),
        fc.nat(255),
        fc.nat(file.length),
        async (at, value, end) => {
          const damaged = file.slice(0, value % 3 === 0 ? end : file.length);
          if (at < damaged.length) damaged[at] = value;
          try {
            await readAvatarBody(replaced('body.safetensors', damaged));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(VitrailError);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
