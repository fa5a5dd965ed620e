import { kernelTest } from '../testing/kernel-test.ts';
import { lastRowCases } from './last-row.ref.ts';
import { lastRow } from './last-row.ts';

kernelTest(lastRow, lastRowCases);
