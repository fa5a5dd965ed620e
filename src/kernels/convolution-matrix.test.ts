import { expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { kernelTest } from '../testing/kernel-test.ts';
import { fragmentCount, toFragments } from './convolution-fragments.ts';
import { convolutionMatrixCases } from './convolution-matrix.ref.ts';
import { convolutionMatrix } from './convolution-matrix.ts';
import { matrixUnsupported } from './matrix-support.ts';

const gpu = await Gpu.create();
const reason = matrixUnsupported(gpu.capabilities);
gpu.dispose();
// No software adapter has subgroup matrices: `npm run bench:kernels -- --gpu --check` runs the cases on one that has.
if (reason === null) kernelTest(convolutionMatrix, convolutionMatrixCases);
else it.skip(`${convolutionMatrix.name}: the adapter ${reason}`);

it('turns matrices into fragments of 16 outputs × 16 inputs, zeros where a block has no channel', () => {
  const [groups, taps, inGroups] = [5, 9, 6];
  const shape = { taps, inGroups, groups };
  const matrices = Float32Array.from({ length: groups * taps * inGroups * 16 }, (_, i) => i + 1);
  const fragments = toFragments(matrices, shape);
  expect(fragments.length).toBe(fragmentCount(shape) * 256);
  expect(fragments.filter((value) => value !== 0).length).toBe(matrices.length);
  const [output, tap, input] = [18, 7, 21];
  const matrix = (Math.floor(output / 4) * taps + tap) * inGroups + Math.floor(input / 4);
  const expected = matrices[matrix * 16 + (input % 4) * 4 + (output % 4)];
  const block = (Math.floor(output / 16) * taps + tap) * 2 + Math.floor(input / 16);
  expect(fragments[block * 256 + (output % 16) * 16 + (input % 16)]).toBe(expected);
});
