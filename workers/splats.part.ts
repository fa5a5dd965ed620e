import { version } from '../package.json';
import { EngineAvatar } from '../src/runtime/avatar.ts';
import { type SplatsPart, splatsPlace } from '../src/runtime/splats-part.ts';

/** The entry of vitrail.splats.js, which the worker loads for its first avatar. */
const part: SplatsPart = { version, openAvatar: EngineAvatar.open };
Object.assign(globalThis, { [splatsPlace.name]: part });
