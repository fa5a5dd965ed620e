import { it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { kernelTest } from '../testing/kernel-test.ts';
import { gatedMatmulCases, matmulCases } from './matmul.ref.ts';
import { matmul } from './matmul.ts';
import { matrixUnsupported } from './matrix-support.ts';

const gpu = await Gpu.create();
const reason = matrixUnsupported(gpu.capabilities);
gpu.dispose();
// No software adapter has subgroup matrices: `npm run bench:kernels -- --gpu --check` runs these on one that has.
const gated = reason === null ? gatedMatmulCases : [];
kernelTest(matmul, [...matmulCases, ...gated]);
if (reason !== null) it.skip(`${matmul.name}, gated: the adapter ${reason}`);
