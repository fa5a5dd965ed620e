import { version } from '../package.json';
import { EngineAvatar } from '../src/runtime/avatar.ts';
import type { PartScope } from '../src/runtime/splats-part.ts';

/** The entry of vitrail.splats.js, which the worker loads for its first avatar. */
(globalThis as PartScope).vitrailSplats = {
  version,
  openAvatar: EngineAvatar.open,
};
