import { kernelTest } from '../testing/kernel-test.ts';
import { gatherTokensCases } from './gather-tokens.ref.ts';
import { gatherTokens } from './gather-tokens.ts';

kernelTest(gatherTokens, gatherTokensCases);
