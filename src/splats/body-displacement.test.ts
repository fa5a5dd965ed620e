import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { type DisplacedBody, Displacement, fieldsAt } from './body-displacement.ts';

const straight = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);

function bodyWith(channels: number, alike = false): DisplacedBody {
  const random = new Random(11);
  const size = 6;
  const values = Float32Array.from({ length: channels * size * size }, () => random.normal(0.001));
  if (alike) values.copyWithin(2 * size * size, 0, 2 * size * size);
  const targets = Float32Array.from({ length: 120 }, () => random.uniform());
  return { image: 40, pad: 4, fields: channels ? { channels, size, values } : null, targets };
}

/** Where anchors are seen whose homography leaves so much of each field. */
function seen(body: DisplacedBody, shares: readonly number[]): Float64Array {
  return Float64Array.from(body.targets, (target, i) => {
    const [u, v] = body.targets.subarray(i & ~1, (i & ~1) + 2) as unknown as [number, number];
    const found = body.fields ? fieldsAt(body.fields, body, u, v) : [];
    return target - shares.reduce((sum, s, k) => sum + s * (found[2 * k + (i & 1)] as number), 0);
  });
}

describe('the displacement of a frame', () => {
  it.each([1, 3, 4])('has the shares of %d fields that its anchors say', (count) => {
    const body = bodyWith(2 * count);
    const shares = [0.7, -1.3, 0.2, 2].slice(0, count);
    const displacement = new Displacement(body);
    displacement.update(seen(body, shares), straight);
    shares.forEach((share, k) => {
      expect(displacement.shares[k]).toBeCloseTo(share, 4);
    });
    expect([...displacement.shares.subarray(count)].every((share) => share === 0)).toBe(true);
  });

  it('moves the anchors by two pixels of 512 at most', () => {
    const body = bodyWith(2);
    const displacement = new Displacement(body);
    const sizes = [50, -50].map((share) => {
      displacement.update(seen(body, [share]), straight);
      return displacement.shares[0] as number;
    });
    const moved = seen(body, [sizes[0] as number]);
    const squares = moved.reduce((sum, at, i) => sum + (at - (body.targets[i] as number)) ** 2, 0);
    expect(Math.sqrt(squares / (moved.length / 2))).toBeCloseTo(2 / 512, 6);
    expect(sizes[1]).toBe(-(sizes[0] as number));
  });

  it('is none without fields, and of fields that are alike neither has a share', () => {
    const none = new Displacement(bodyWith(0));
    none.update([0.1, 0.2], straight);
    expect([...none.shares]).toEqual([0, 0, 0, 0]);
    const body = bodyWith(4, true);
    const displacement = new Displacement(body);
    displacement.update(seen(body, [1, 0]), straight);
    expect([...displacement.shares]).toEqual([0, 0, 0, 0]);
  });

  it('reads fields between texels, and beyond the edge as on it', () => {
    const fields = { channels: 2, size: 2, values: Float32Array.of(0, 1, 2, 3, 0, 0, 4, 4) };
    const body = { image: 2, pad: 0 };
    expect(fieldsAt(fields, body, 0.5, 0.5)).toEqual([1.5, 2]);
    expect(fieldsAt(fields, body, 0.25, 0.75)).toEqual([2, 4]);
    expect(fieldsAt(fields, body, -3, 9)).toEqual([2, 4]);
  });
});
