import type { Activation } from './matvec.ts';

/** The arithmetic that the references of several kernels share, in double precision. */

/** Σ_k weights[row, k] · x[k]. */
export function dotRow(
  weights: Float64Array,
  row: number,
  x: ArrayLike<number>,
  columns: number,
): number {
  let sum = 0;
  for (let k = 0; k < columns; k += 1) sum += (weights[row * columns + k] ?? 0) * (x[k] ?? 0);
  return sum;
}

/** 1 / √(mean(x²) + ε). */
export function rmsScale(x: ArrayLike<number>, epsilon: number): number {
  let squares = 0;
  for (let k = 0; k < x.length; k += 1) squares += (x[k] ?? 0) ** 2;
  return 1 / Math.sqrt(squares / x.length + epsilon);
}

export function activate(activation: Activation, x: number): number {
  if (activation === 'silu') return x / (1 + Math.exp(-x));
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
