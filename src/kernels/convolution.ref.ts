import { halfToNumber, numberToHalf } from '../quant/half.ts';
import { arenaWith, channelsOf, type MapValues, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { biasesOf, type ConvolutionActivation, type ConvolutionUse } from './convolution.ts';
import type { MapPlace, MapStorage } from './feature-map.ts';

function activate(kind: ConvolutionActivation, value: number, slope: number): number {
  if (kind === 'silu') return value / (1 + Math.exp(-value));
  return kind === 'prelu' && value < 0 ? value * slope : value;
}

/** The output map in double precision. Weights are matrices in columns: [output group][tap][input group][input][output]. */
export function convolutionReference(
  use: ConvolutionUse,
  x: MapValues,
  weights: Float32Array,
  bias: Float32Array,
  residual?: MapValues,
): Float64Array {
  const { input, output } = use;
  const [inputs, outputs] = [channelsOf(input), channelsOf(output)];
  const size = use.transposed ? use.kernel / 2 : use.kernel;
  const biases = biasesOf(use);
  const y = new Float64Array(output.height * output.width * outputs);
  for (let pixel = 0; pixel < output.height * output.width; pixel += 1) {
    const [row, column] = [Math.floor(pixel / output.width), pixel % output.width];
    const corner = use.transposed ? (row % 2) * 2 + (column % 2) : 0;
    const first =
      biases > 1 ? borderOf(row, output.height) * 3 + borderOf(column, output.width) : 0;
    for (let k = 0; k < outputs; k += 1) {
      const group = corner * output.groups + Math.floor(k / 4);
      let sum = bias[first * outputs + k] ?? 0;
      for (let tap = 0; tap < size * size; tap += 1) {
        const at = sourcePixel(use, row, column, tap);
        if (at === null) continue;
        for (let c = 0; c < inputs; c += 1) {
          const matrix = (group * size * size + tap) * input.groups + Math.floor(c / 4);
          const weight = weights[matrix * 16 + (c % 4) * 4 + (k % 4)] ?? 0;
          sum += weight * (x[at * inputs + c] ?? 0);
        }
      }
      const slope = bias[biases * outputs + k] ?? 0;
      if (use.grows) {
        const small = Math.floor(row / 2) * (output.width / 2) + Math.floor(column / 2);
        sum += residual?.[small * outputs + k] ?? 0;
      }
      const added = use.grows ? 0 : (residual?.[pixel * outputs + k] ?? 0);
      y[pixel * outputs + k] = activate(use.activation, sum, slope) + added;
    }
  }
  return y;
}

/** First, middle or last. */
function borderOf(at: number, size: number): number {
  if (at === 0) return 0;
  return at === size - 1 ? 2 : 1;
}

function sourcePixel(use: ConvolutionUse, row: number, column: number, tap: number): number | null {
  const { input, kernel, stride, dilation } = use;
  if (use.transposed) {
    // As it is written forwards: the input pixels whose window of `kernel` pixels, `kernel / 2 - 1` of them before its corner, has this one.
    const reach = kernel / 2;
    const at = (place: number, step: number): number =>
      Math.floor((place + reach - 1) / 2) - (reach - 1) + step;
    const y = at(row, Math.floor(tap / reach));
    const x = at(column, tap % reach);
    const inside = y >= 0 && x >= 0 && y < input.height && x < input.width;
    return inside ? y * input.width + x : null;
  }
  const padding = Math.floor(kernel / 2) * dilation;
  const y = row * stride + Math.floor(tap / kernel) * dilation - padding;
  const x = column * stride + (tap % kernel) * dilation - padding;
  const inside = y >= 0 && x >= 0 && y < input.height && x < input.width;
  return inside ? y * input.width + x : null;
}

export interface ConvolutionShape {
  inputs: number;
  outputs: number;
  height: number;
  width: number;
  kernel?: number;
  stride?: number;
  dilation?: number;
  activation?: ConvolutionActivation;
  transposed?: boolean;
  residual?: boolean;
  grows?: boolean;
}

/** Random maps and weights of a shape, with the arena after the convolution. */
export interface DrawnConvolution {
  use: ConvolutionUse;
  /** Matrices in columns: [output group][tap][input group][input][output]. */
  weights: Float32Array<ArrayBuffer>;
  bias: Float32Array<ArrayBuffer>;
  arena(): Float32Array<ArrayBuffer>;
  expected(): Float64Array;
}

export function drawConvolution(
  shape: ConvolutionShape,
  seed: number,
  storage: MapStorage,
): DrawnConvolution {
  const { inputs, outputs, height, width, kernel = 3, stride = 1, transposed = false } = shape;
  const random = new Random(seed);
  const resized = (size: number): number => (transposed ? size * 2 : Math.ceil(size / stride));
  // Input and output stand inside wider pixels, as parts of concatenations do.
  const input: MapPlace = { offset: 5, stride: inputs + 1, groups: inputs, height, width };
  const afterInput = input.offset + height * width * input.stride;
  const output: MapPlace = {
    offset: afterInput + 2,
    stride: outputs + 2,
    groups: outputs,
    height: resized(height),
    width: resized(width),
  };
  const afterOutput = output.offset + output.height * output.width * output.stride;
  const shrink = shape.grows ? 2 : 1;
  const residual: MapPlace = {
    groups: outputs,
    height: output.height / shrink,
    width: output.width / shrink,
    offset: afterOutput,
    stride: outputs,
  };
  const use: ConvolutionUse = {
    storage,
    input,
    output,
    kernel: transposed ? (shape.kernel ?? 2) : kernel,
    stride: transposed ? 2 : stride,
    dilation: shape.dilation ?? 1,
    activation: shape.activation ?? 'none',
    ...(transposed ? { transposed } : {}),
    ...(shape.residual || shape.grows ? { residual, grows: shape.grows ?? false } : {}),
  };
  const stored = storage === 'f16' ? roundToHalf : (values: Float32Array<ArrayBuffer>) => values;
  const x = stored(randomMap(input, random));
  const added = stored(randomMap(residual, random));
  const taps = use.kernel * use.kernel;
  const drawn = random.activations(outputs * taps * inputs * 16, 2).map((value) => value / 8);
  const weights = stored(drawn);
  const bias = random.activations(outputs * 4 * (biasesOf(use) + 1));
  const maps: [MapPlace, MapValues][] = [[input, x]];
  if (use.residual) maps.push([residual, added]);
  const numbers = (afterOutput + residual.height * residual.width * residual.stride) * 4;
  return {
    use,
    weights,
    bias,
    arena: () => arenaWith(new Float32Array(numbers), maps),
    expected: () => {
      const y = convolutionReference(use, x, weights, bias, use.residual ? added : undefined);
      return arenaWith(new Float64Array(numbers), [...maps, [output, y]]);
    },
  };
}

function roundToHalf(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return values.map((value) => halfToNumber(numberToHalf(value)));
}

function toCase(name: string, shape: ConvolutionShape, seed: number): KernelCase<ConvolutionUse> {
  const { use, weights, bias, arena, expected } = drawConvolution(shape, seed, 'f32');
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({ arena: arena(), weights, bias }),
    outputs: () => ({ arena: { values: expected() } }),
  };
}

export const convolutionCases: readonly KernelCase<ConvolutionUse>[] = [
  toCase(
    'first layer',
    { inputs: 1, outputs: 4, height: 11, width: 13, stride: 2, activation: 'silu' },
    801,
  ),
  toCase('one pixel', { inputs: 3, outputs: 2, height: 1, width: 1 }, 802),
  toCase(
    '1 × 1',
    { inputs: 7, outputs: 17, height: 5, width: 29, kernel: 1, activation: 'silu' },
    803,
  ),
  toCase(
    '3 × 3 with residual',
    { inputs: 5, outputs: 5, height: 9, width: 17, activation: 'silu', residual: true },
    804,
  ),
  toCase(
    'stride 2 of even sizes',
    { inputs: 9, outputs: 9, height: 8, width: 12, stride: 2, activation: 'silu' },
    805,
  ),
  toCase(
    'dilated, PReLU',
    { inputs: 3, outputs: 3, height: 19, width: 7, dilation: 8, activation: 'prelu' },
    806,
  ),
  toCase(
    'transposed',
    { inputs: 2, outputs: 3, height: 6, width: 5, transposed: true, activation: 'prelu' },
    807,
  ),
  toCase(
    'a residual that grows',
    { inputs: 4, outputs: 5, height: 6, width: 10, kernel: 1, activation: 'silu', grows: true },
    810,
  ),
  toCase(
    'windowed',
    {
      inputs: 3,
      outputs: 2,
      height: 6,
      width: 11,
      kernel: 4,
      transposed: true,
      activation: 'silu',
    },
    808,
  ),
  toCase(
    'windowed, an odd group, PReLU',
    {
      inputs: 2,
      outputs: 3,
      height: 1,
      width: 9,
      kernel: 4,
      transposed: true,
      activation: 'prelu',
    },
    809,
  ),
];
