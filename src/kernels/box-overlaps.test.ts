import { kernelTest } from '../testing/kernel-test.ts';
import { boxOverlapsCases } from './box-overlaps.ref.ts';
import { boxOverlaps } from './box-overlaps.ts';

kernelTest(boxOverlaps, boxOverlapsCases);
