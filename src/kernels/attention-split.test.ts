import { kernelTest } from '../testing/kernel-test.ts';
import { attentionSplitCases } from './attention-split.ref.ts';
import { attentionSplit } from './attention-split.ts';

kernelTest(attentionSplit, attentionSplitCases);
