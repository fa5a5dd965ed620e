import { kernelTest } from '../testing/kernel-test.ts';
import { qkvCases } from './qkv.ref.ts';
import { qkv } from './qkv.ts';

kernelTest(qkv, qkvCases);
