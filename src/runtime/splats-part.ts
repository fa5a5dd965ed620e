import type { Gpu } from '../gpu/gpu.ts';
import type { LoadAvatarOptions } from '../types.ts';
import type { FindAvatar, SceneMember, ServedAvatar, ServedScene } from './avatar-contract.ts';
import type { Part, PartPlace } from './part.ts';

/** Everything about splats. It shares the device with the rest. */
export interface SplatsPart extends Part {
  /** Uploads a file of splats. An abort or a failure leaves nothing on the GPU. */
  openAvatar(gpu: Gpu, file: Uint8Array, options: LoadAvatarOptions): Promise<RestorableAvatar>;
  openScene(members: readonly SceneMember[], find: FindAvatar): ServedScene;
}

/** An avatar that survives the loss of the device. */
export interface RestorableAvatar extends ServedAvatar {
  restore(gpu: Gpu): Promise<void>;
}

export const splatsPlace: PartPlace = {
  name: 'vitrailSplats',
  file: 'vitrail.splats.js',
  option: 'splatsUrl',
};
