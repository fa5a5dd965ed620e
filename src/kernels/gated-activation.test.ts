import { kernelTest } from '../testing/kernel-test.ts';
import { gatedActivationCases } from './gated-activation.ref.ts';
import { gatedActivation } from './gated-activation.ts';

kernelTest(gatedActivation, gatedActivationCases);
