import { kernelTest } from '../testing/kernel-test.ts';
import { rankBoxesCases } from './rank-boxes.ref.ts';
import { rankBoxes } from './rank-boxes.ts';

kernelTest(rankBoxes, rankBoxesCases);
