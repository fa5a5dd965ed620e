import { kernelTest } from '../testing/kernel-test.ts';
import { tileCountCases } from './tile-count.ref.ts';
import { tileCount } from './tile-count.ts';

kernelTest(tileCount, tileCountCases);
