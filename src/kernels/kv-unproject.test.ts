import { kernelTest } from '../testing/kernel-test.ts';
import { kvUnprojectCases } from './kv-unproject.ref.ts';
import { kvUnproject } from './kv-unproject.ts';

kernelTest(kvUnproject, kvUnprojectCases);
