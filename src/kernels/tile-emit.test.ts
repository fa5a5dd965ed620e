import { kernelTest } from '../testing/kernel-test.ts';
import { tileEmitCases } from './tile-emit.ref.ts';
import { tileEmit } from './tile-emit.ts';

kernelTest(tileEmit, tileEmitCases);
