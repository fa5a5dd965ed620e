import { startRuntimeWorker } from '../src/rpc/runtime-worker.ts';

/** The entry of vitrail.worker.js. */
startRuntimeWorker();
