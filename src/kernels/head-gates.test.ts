import { kernelTest } from '../testing/kernel-test.ts';
import { headGatesCases } from './head-gates.ref.ts';
import { headGates } from './head-gates.ts';

kernelTest(headGates, headGatesCases);
