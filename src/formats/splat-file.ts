import {
  checkedCount,
  corruptSplats,
  emptyCloud,
  type SplatCloud,
  setRotation,
} from './splat-cloud.ts';

const splatBytes = 32;

/**
 * `.splat` (antimatter15/splat): a row of 32 bytes a splat: position and scale as six f32, RGBA and the quaternion
 * w, x, y, z as eight bytes. No header, so a length that is no multiple of 32 is all that can be told wrong.
 */
export function parseSplatFile(file: Uint8Array): SplatCloud {
  if (file.length % splatBytes !== 0 || file.length === 0) {
    throw corruptSplats('splat', `its length, ${file.length}, is no multiple of ${splatBytes}`);
  }
  const cloud = emptyCloud(checkedCount('splat', file.length / splatBytes));
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let i = 0; i < cloud.count; i += 1) {
    const row = i * splatBytes;
    for (let axis = 0; axis < 3; axis += 1) {
      cloud.positions[i * 3 + axis] = view.getFloat32(row + axis * 4, true);
      cloud.scales[i * 3 + axis] = view.getFloat32(row + 12 + axis * 4, true);
      cloud.colors[i * 3 + axis] = view.getUint8(row + 24 + axis) / 255;
    }
    cloud.opacities[i] = view.getUint8(row + 27) / 255;
    const part = (at: number): number => (view.getUint8(row + 28 + at) - 128) / 128;
    setRotation(cloud.rotations, i, part(1), part(2), part(3), part(0));
  }
  return cloud;
}
