import { kernelTest } from '../testing/kernel-test.ts';
import { selectionPassCases } from './selection-pass.ref.ts';
import { selectionPass } from './selection-pass.ts';

kernelTest(selectionPass, selectionPassCases);
