import { kernelTest } from '../testing/kernel-test.ts';
import { keepTokenCases } from './keep-token.ref.ts';
import { keepToken } from './keep-token.ts';

kernelTest(keepToken, keepTokenCases);
