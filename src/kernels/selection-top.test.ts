import { kernelTest } from '../testing/kernel-test.ts';
import { selectionTopCases } from './selection-top.ref.ts';
import { selectionTop } from './selection-top.ts';

kernelTest(selectionTop, selectionTopCases);
