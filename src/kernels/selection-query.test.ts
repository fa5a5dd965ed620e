import { kernelTest } from '../testing/kernel-test.ts';
import { selectionQueryCases } from './selection-query.ref.ts';
import { selectionQuery } from './selection-query.ts';

kernelTest(selectionQuery, selectionQueryCases);
