import { kernelTest } from '../testing/kernel-test.ts';
import { splatProjectCases } from './splat-project.ref.ts';
import { splatProject } from './splat-project.ts';

kernelTest(splatProject, splatProjectCases);
