import { kernelTest } from '../testing/kernel-test.ts';
import { matvecCases } from './matvec.ref.ts';
import { matvec } from './matvec.ts';

kernelTest(matvec, matvecCases);
