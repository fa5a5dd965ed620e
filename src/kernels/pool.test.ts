import { kernelTest } from '../testing/kernel-test.ts';
import { poolCases } from './pool.ref.ts';
import { pool } from './pool.ts';

kernelTest(pool, poolCases);
