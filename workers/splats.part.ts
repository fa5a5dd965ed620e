import { version } from '../package.json';
import { EngineAvatar } from '../src/runtime/avatar.ts';
import type { FindAvatar } from '../src/runtime/avatar-contract.ts';
import { EngineScene } from '../src/runtime/avatar-scene.ts';
import { type SplatsPart, splatsPlace } from '../src/runtime/splats-part.ts';

/** The entry of vitrail.splats.js, which the worker loads for its first avatar. */
const part: SplatsPart = {
  version,
  openAvatar: EngineAvatar.open,
  openScene: (members, find) => new EngineScene(members, find as FindAvatar<EngineAvatar>),
};
Object.assign(globalThis, { [splatsPlace.name]: part });
