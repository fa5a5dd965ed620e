import { kernelTest } from '../testing/kernel-test.ts';
import { headRowsCases } from './head-rows.ref.ts';
import { headRows } from './head-rows.ts';

kernelTest(headRows, headRowsCases);
