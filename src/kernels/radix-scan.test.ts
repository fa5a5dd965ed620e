import { kernelTest } from '../testing/kernel-test.ts';
import { radixScanCases } from './radix-scan.ref.ts';
import { radixScan } from './radix-scan.ts';

kernelTest(radixScan, radixScanCases);
