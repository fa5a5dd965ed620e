import type { WeightFile } from './weight-file.ts';

/** What both PyTorch models that we read were trained with. */
const epsilon = 1e-3;

/** A batch normalization of trained statistics: y = scale · x + shift, a channel each. */
export interface ChannelNorm {
  scale: Float32Array;
  shift: Float32Array;
}

/** Reads the normalization `name` of so many channels. Throws `model-corrupt` where a tensor is missing or has another shape. */
export function batchNorm(file: WeightFile, name: string, channels: number): ChannelNorm {
  const read = (tensor: string): Float32Array => file.values(`${name}.${tensor}`, [channels]);
  const [weight, bias, mean, variance] = [
    read('weight'),
    read('bias'),
    read('running_mean'),
    read('running_var'),
  ] as const;
  const scale = weight.map((value, i) => value / Math.sqrt((variance[i] ?? 0) + epsilon));
  const shift = bias.map((value, i) => value - (mean[i] ?? 0) * (scale[i] ?? 0));
  return { scale, shift };
}

/** The normalization beside a convolution (`a.conv` has `a.bn`), or null where the file has none: it is folded in, or never was. */
export function normBeside(file: WeightFile, name: string, channels: number): ChannelNorm | null {
  const norm = besideOf(name, 'bn');
  return file.has(`${norm}.running_var`) ? batchNorm(file, norm, channels) : null;
}

/** The name of what stands beside a layer: `a.conv`, `act` → `a.act`. */
export function besideOf(name: string, other: string): string {
  return `${name.slice(0, name.lastIndexOf('.') + 1)}${other}`;
}
