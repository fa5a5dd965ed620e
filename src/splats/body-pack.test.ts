import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AvatarBody, readAvatarBody } from '../formats/avatar-body.ts';
import { readZip } from '../formats/zip.ts';
import { bodyReach, networksUse, packCoarse, packLatents, packNetworks } from './body-pack.ts';

const size = { width: 10, height: 10 };

async function madeUp(): Promise<AvatarBody> {
  const body = await readAvatarBody(readZip(readFileSync('e2e/fixtures/avatars/made-up.zip')));
  if (!body) throw new Error('the fixture has a body');
  return body;
}

describe('a body for its networks', () => {
  it('is packed with its units filled up', async () => {
    const body = await madeUp();
    const use = networksUse(body, size);
    expect(use).toMatchObject({ hidden: 32, octaves: 6, latentPairs: 2, latentSize: 38 });
    const weights = packNetworks(body);
    const network = (rows: number, outputs: number): number => (rows + 3 * 33 + outputs) * 32 + 8;
    expect(weights).toHaveLength(network(26, 2) + network(4, 3));
    const [first] = body.warp;
    expect(weights[0]).toBe(first?.weight[0]);
    expect(weights[1]).toBe(first?.weight[first.inputs]);
    expect([...weights.subarray(16, 32)].every((value) => value === 0)).toBe(true);
    expect(packCoarse(body.coarse)).toHaveLength(76 * 76);
    expect(packLatents(body.latents)).toHaveLength(38 * 38 * 2);
    // The lower half has alpha; six texels of pad around it.
    expect(bodyReach(body).map((at) => Math.round(at * 64))).toEqual([-6, 26, 70, 70]);
  });

  it('is refused with too many units, and with inputs that nobody can tell', async () => {
    const body = await madeUp();
    const code = (changed: Partial<AvatarBody>): string => {
      try {
        networksUse({ ...body, ...changed }, size);
        return 'fine';
      } catch (thrown) {
        return (thrown as { code: string }).code;
      }
    };
    expect(code({})).toBe('fine');
    expect(code({ frequencies: { ...body.frequencies, uv: 9 } })).toBe('model-corrupt');
    expect(code({ poseJoints: ['chest'] })).toBe('model-corrupt');
    const wide = body.fine.map((layer, i) => (i === 2 ? { ...layer, outputs: 256 } : layer));
    expect(code({ fine: wide })).toBe('model-unsupported');
  });
});
