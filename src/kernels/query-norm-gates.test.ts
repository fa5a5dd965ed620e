import { kernelTest } from '../testing/kernel-test.ts';
import { queryNormGatesCases } from './query-norm-gates.ref.ts';
import { queryNormGates } from './query-norm-gates.ts';

kernelTest(queryNormGates, queryNormGatesCases);
