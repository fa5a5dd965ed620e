import { kernelTest } from '../testing/kernel-test.ts';
import { keepBoxesCases } from './keep-boxes.ref.ts';
import { keepBoxes } from './keep-boxes.ts';

kernelTest(keepBoxes, keepBoxesCases);
