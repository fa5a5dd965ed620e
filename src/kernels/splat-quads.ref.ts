import { viewTransform } from '../splats/camera.ts';
import { renderReference } from '../splats/render.ref.ts';
import { type TileScene, tileScenes } from './tile-count.ref.ts';

/** The picture in double precision: colours multiplied by alpha, [height, width, 4]. */
export function splatQuadsReference({ cloud, width, height }: TileScene): Float64Array {
  const view = viewTransform({ position: [0, 0.2, 4], target: [0, 0, 0], fovY: 30 }, width, height);
  return renderReference([{ cloud, pose: null }], view);
}

export const splatQuadsCases: typeof tileScenes = tileScenes;
