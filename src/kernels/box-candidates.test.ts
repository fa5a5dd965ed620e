import { kernelTest } from '../testing/kernel-test.ts';
import { boxCandidatesCases } from './box-candidates.ref.ts';
import { boxCandidates } from './box-candidates.ts';

kernelTest(boxCandidates, boxCandidatesCases);
