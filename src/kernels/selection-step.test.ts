import { kernelTest } from '../testing/kernel-test.ts';
import { selectionStepCases } from './selection-step.ref.ts';
import { selectionStep } from './selection-step.ts';

kernelTest(selectionStep, selectionStepCases);
