import { startRuntimeWorker } from '../rpc/runtime-worker.ts';
import { defineElements } from './elements/index.ts';

/**
 * The entry of vitrail.iife.js: `window.vitrail` and the custom elements, in one file. Its worker runs the same text, so that
 * nothing is in the file twice; the flag says which of the two this is.
 */
export * from '../index.ts';

if ('vitrailWorker' in globalThis) startRuntimeWorker();
else defineElements();
