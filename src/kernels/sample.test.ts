import { kernelTest } from '../testing/kernel-test.ts';
import { sampleCases } from './sample.ref.ts';
import { sample } from './sample.ts';

kernelTest(sample, sampleCases);
