import { kernelTest } from '../testing/kernel-test.ts';
import { radixCountCases } from './radix-count.ref.ts';
import { radixCount } from './radix-count.ts';

kernelTest(radixCount, radixCountCases);
