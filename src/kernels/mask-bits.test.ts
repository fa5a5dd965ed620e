import { kernelTest } from '../testing/kernel-test.ts';
import { maskBitsCases } from './mask-bits.ref.ts';
import { maskBits } from './mask-bits.ts';

kernelTest(maskBits, maskBitsCases);
