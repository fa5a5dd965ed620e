import { kernelTest } from '../testing/kernel-test.ts';
import { kvQuantizeCases } from './kv-quantize.ref.ts';
import { kvQuantize } from './kv-quantize.ts';

kernelTest(kvQuantize, kvQuantizeCases);
