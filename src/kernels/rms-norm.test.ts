import { kernelTest } from '../testing/kernel-test.ts';
import { rmsNormCases } from './rms-norm.ref.ts';
import { rmsNorm } from './rms-norm.ts';

kernelTest(rmsNorm, rmsNormCases);
