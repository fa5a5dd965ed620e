import { kernelTest } from '../testing/kernel-test.ts';
import { selectionVotesCases } from './selection-votes.ref.ts';
import { selectionVotes } from './selection-votes.ts';

kernelTest(selectionVotes, selectionVotesCases);
