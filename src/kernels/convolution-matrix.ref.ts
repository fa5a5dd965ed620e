import { numberToHalf } from '../quant/half.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { type ConvolutionShape, drawConvolution } from './convolution.ref.ts';
import type { ConvolutionUse } from './convolution.ts';
import { fragmentShape, toFragments } from './convolution-fragments.ts';

function halves(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint16Array.from(values, numberToHalf).buffer);
}

function toCase(name: string, shape: ConvolutionShape, seed: number): KernelCase<ConvolutionUse> {
  const { use, weights, bias, arena, expected } = drawConvolution(shape, seed, 'f16');
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      arena: halves(arena()),
      weights: halves(toFragments(weights, fragmentShape(use))),
      bias,
    }),
    outputs: () => ({ arena: { values: expected(), storage: 'f16' } }),
  };
}

export const convolutionMatrixCases: readonly KernelCase<ConvolutionUse>[] = [
  toCase(
    'first layer',
    { inputs: 1, outputs: 4, height: 11, width: 37, stride: 2, activation: 'silu' },
    811,
  ),
  toCase('one pixel', { inputs: 3, outputs: 2, height: 1, width: 1 }, 812),
  toCase(
    '1 × 1',
    { inputs: 35, outputs: 17, height: 5, width: 29, kernel: 1, activation: 'silu' },
    813,
  ),
  toCase(
    '3 × 3 with residual',
    { inputs: 16, outputs: 16, height: 9, width: 17, activation: 'silu', residual: true },
    814,
  ),
  toCase(
    'eight blocks of channels',
    { inputs: 32, outputs: 12, height: 6, width: 21, activation: 'silu' },
    815,
  ),
  toCase(
    'stride 2 of even sizes',
    { inputs: 9, outputs: 9, height: 8, width: 36, stride: 2, activation: 'silu' },
    816,
  ),
  toCase(
    'transposed',
    { inputs: 8, outputs: 5, height: 6, width: 19, transposed: true, activation: 'prelu' },
    817,
  ),
];
