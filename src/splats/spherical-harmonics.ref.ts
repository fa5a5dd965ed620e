import { restCoefficients, type SplatCloud } from '../formats/splat-cloud.ts';
import type { Vec3 } from './vector.ts';

/** Real spherical harmonics of bands 1 to 3 with the signs of 3DGS (Ramamoorthi & Hanrahan 2001; Sloan 2008, appendix A2). */
export function restBasis([x, y, z]: Vec3): readonly number[] {
  const [xx, yy, zz] = [x * x, y * y, z * z];
  return [
    -0.4886025119029199 * y,
    0.4886025119029199 * z,
    -0.4886025119029199 * x,
    1.0925484305920792 * x * y,
    -1.0925484305920792 * y * z,
    0.31539156525252005 * (2 * zz - xx - yy),
    -1.0925484305920792 * x * z,
    0.5462742152960396 * (xx - yy),
    -0.5900435899266435 * y * (3 * xx - yy),
    2.890611442640554 * x * y * z,
    -0.4570457994644658 * y * (4 * zz - xx - yy),
    0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
    -0.4570457994644658 * x * (4 * zz - xx - yy),
    1.445305721320277 * z * (xx - yy),
    -0.5900435899266435 * x * (xx - 3 * yy),
  ];
}

/** The colour of a splat seen along a direction, not below 0. */
export function colorAlong(cloud: SplatCloud, splat: number, direction: Vec3): Vec3 {
  const basis = restBasis(direction);
  const rest = restCoefficients(cloud.shDegree);
  const channel = (c: number): number => {
    let sum = cloud.colors[splat * 3 + c] as number;
    for (let k = 0; k < rest; k += 1) {
      sum += (basis[k] as number) * (cloud.sh[(splat * rest + k) * 3 + c] as number);
    }
    return Math.max(0, sum);
  };
  return [channel(0), channel(1), channel(2)];
}
