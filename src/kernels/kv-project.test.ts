import { kernelTest } from '../testing/kernel-test.ts';
import { kvProjectCases } from './kv-project.ref.ts';
import { kvProject } from './kv-project.ts';

kernelTest(kvProject, kvProjectCases);
