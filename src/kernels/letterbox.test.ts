import { kernelTest } from '../testing/kernel-test.ts';
import { letterboxCases } from './letterbox.ref.ts';
import { letterbox } from './letterbox.ts';

kernelTest(letterbox, letterboxCases);
