/**
 * Splats of all colours in a ball of radius 1, as `.splat`: 32 bytes each, the same each time. Needs nothing around it, so that it runs
 * in pages too.
 * @param {number} count
 */
export function syntheticSplats(count) {
  const bytes = new Uint8Array(count * 32);
  const view = new DataView(bytes.buffer);
  let state = 12_345;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  // As large as the space between them, so that the ball has the overdraw of a scene.
  const scale = 0.6 / Math.cbrt(count);
  for (let i = 0; i < count; i += 1) {
    const row = i * 32;
    const height = 2 * random() - 1;
    const angle = 2 * Math.PI * random();
    const radius = Math.cbrt(random());
    const flat = Math.sqrt(1 - height * height) * radius;
    view.setFloat32(row, Math.cos(angle) * flat, true);
    view.setFloat32(row + 4, height * radius, true);
    view.setFloat32(row + 8, Math.sin(angle) * flat, true);
    for (let axis = 0; axis < 3; axis += 1) {
      view.setFloat32(row + 12 + axis * 4, scale * (0.3 + random()), true);
      bytes[row + 24 + axis] = 256 * random();
      bytes[row + 28 + axis] = 256 * random();
    }
    bytes[row + 27] = 60 + 190 * random();
    bytes[row + 31] = 256 * random();
  }
  return bytes;
}
