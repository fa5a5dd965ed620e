import { kernelTest } from '../testing/kernel-test.ts';
import { kvUnpackCases } from './kv-unpack.ref.ts';
import { kvUnpack } from './kv-unpack.ts';

kernelTest(kvUnpack, kvUnpackCases);
