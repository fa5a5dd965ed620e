import { kernelTest } from '../testing/kernel-test.ts';
import { radixScatterCases } from './radix-scatter.ref.ts';
import { radixScatter } from './radix-scatter.ts';

kernelTest(radixScatter, radixScatterCases);
