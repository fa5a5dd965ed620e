import { kernelTest } from '../testing/kernel-test.ts';
import { convolutionCases } from './convolution.ref.ts';
import { convolution } from './convolution.ts';

kernelTest(convolution, convolutionCases);
