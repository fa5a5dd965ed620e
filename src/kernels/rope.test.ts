import { kernelTest } from '../testing/kernel-test.ts';
import { ropeCases } from './rope.ref.ts';
import { rope } from './rope.ts';

kernelTest(rope, ropeCases);
