import { kernelTest } from '../testing/kernel-test.ts';
import { attentionCases } from './attention.ref.ts';
import { attention } from './attention.ts';

kernelTest(attention, attentionCases);
