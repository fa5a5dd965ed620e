import { kernelTest } from '../testing/kernel-test.ts';
import { resampleCases } from './resample.ref.ts';
import { resample } from './resample.ts';

kernelTest(resample, resampleCases);
