import { kernelTest } from '../testing/kernel-test.ts';
import { attentionCombineCases } from './attention-combine.ref.ts';
import { attentionCombine } from './attention-combine.ts';

kernelTest(attentionCombine, attentionCombineCases);
