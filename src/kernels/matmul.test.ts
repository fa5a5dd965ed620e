import { kernelTest } from '../testing/kernel-test.ts';
import { matmulCases } from './matmul.ref.ts';
import { matmul } from './matmul.ts';

kernelTest(matmul, matmulCases);
