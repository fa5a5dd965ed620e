import { kernelTest } from '../testing/kernel-test.ts';
import { selectionScoresCases } from './selection-scores.ref.ts';
import { selectionScores } from './selection-scores.ts';

kernelTest(selectionScores, selectionScoresCases);
