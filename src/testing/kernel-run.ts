import type { Gpu } from '../gpu/gpu.ts';
import { type Binding, type Kernel, type KernelVariant, prepareDispatch } from '../gpu/kernel.ts';
import { bindingsOf } from '../gpu/kernel-code.ts';
import { createSharedParams } from '../gpu/shared-params.ts';
import { halfToNumber } from '../quant/half.ts';

export type CaseData =
  | Float32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** One named use of a kernel with its inputs and the answer of the double-precision reference. */
export interface KernelCase<Use> {
  name: string;
  use: Use;
  /** Tokens of the pass. */
  rows: number;
  /** Contents by binding. What the kernel only writes is given as an `output` instead. */
  inputs(): Record<string, CaseData>;
  /** Expected contents by binding; NaN marks elements that the kernel must leave alone. */
  outputs(): Record<string, ExpectedOutput>;
  /** Looser than the standard, with the reason. */
  tolerance?: { nmse: number; because: string };
}

export interface ExpectedOutput {
  values: Float64Array;
  /** How an element is stored. Half precision is rounded when stored, so it has the looser bound. */
  storage?: 'f32' | 'f16' | 'u32' | 'u8';
  /** Elements of the buffer, where it is larger than `values`; the rest is undefined. */
  room?: number;
}

/** Normalized mean squared error: 1e-7 for f32, 1e-6 for f16 storage with f32 accumulation. */
const standardNmse = { f32: 1e-7, f16: 1e-6, u32: 0, u8: 0 } as const;
const storageBytes = { f32: 4, f16: 2, u32: 4, u8: 1 } as const;
const guardBytes = 256;
const nanWord = 0x7fc0_0bad;
const guardWord = 0xdead_beef;

/**
 * Runs a case on one variant: outputs start as NaN, with sentinels around every buffer. Returns what is wrong, one sentence each;
 * an empty list is a pass.
 */
export async function runCase<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  kernelCase: KernelCase<Use>,
  variant: KernelVariant<Use>,
): Promise<string[]> {
  const inputs = kernelCase.inputs();
  const expected = kernelCase.outputs();
  const guarded = new Map<string, GPUBuffer>();
  const ranges: Record<string, { buffer: GPUBuffer; offset: number; size: number }> = {};
  gpu.device.pushErrorScope('validation');
  for (const binding of bindingsOf(kernel, kernelCase.use)) {
    const bytes = inputs[binding.name]?.byteLength ?? outputBytes(expected[binding.name]);
    if (bytes === undefined) continue;
    const size = Math.ceil(bytes / 16) * 16;
    const buffer = createGuarded(gpu, binding, size, inputs[binding.name]);
    guarded.set(binding.name, buffer);
    ranges[binding.name] = { buffer, offset: guardBytes, size };
  }
  const shared = createSharedParams(gpu, kernel, kernelCase.use, variant);
  const buffers = { ...ranges, ...shared };
  const prepared = await prepareDispatch(gpu, kernel, kernelCase.use, buffers, variant);
  gpu.submit([prepared], kernelCase.rows);
  const problems: string[] = [];
  try {
    for (const [name, output] of Object.entries(expected)) {
      const buffer = guarded.get(name);
      if (!buffer) throw new Error(`${kernel.name}: '${name}' is no binding`);
      const found = outputProblems((await gpu.readBuffers([buffer])).buffer, output, kernelCase);
      problems.push(...found.map((problem) => `${prepared.label} ${name}: ${problem}`));
    }
    const invalid = await gpu.device.popErrorScope();
    if (invalid) problems.push(`${prepared.label}: ${invalid.message}`);
    return problems;
  } finally {
    for (const buffer of guarded.values()) gpu.destroyBuffer(buffer);
    if (shared.params) gpu.destroyBuffer(shared.params);
  }
}

function outputBytes(output: ExpectedOutput | undefined): number | undefined {
  return output && (output.room ?? output.values.length) * storageBytes[output.storage ?? 'f32'];
}

function createGuarded(
  gpu: Gpu,
  binding: Binding,
  size: number,
  contents: CaseData | undefined,
): GPUBuffer {
  const usage = binding.access === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
  const buffer = gpu.createBuffer(
    binding.name,
    size + 2 * guardBytes,
    usage | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  );
  const words = new Uint32Array(buffer.size / 4).fill(guardWord);
  words.fill(contents ? 0 : nanWord, guardBytes / 4, (guardBytes + size) / 4);
  if (contents) {
    const bytes = new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength);
    new Uint8Array(words.buffer).set(bytes, guardBytes);
  }
  gpu.write(buffer, 0, words);
  return buffer;
}

function outputProblems<Use>(
  contents: ArrayBuffer,
  output: ExpectedOutput,
  kernelCase: KernelCase<Use>,
): string[] {
  const problems: string[] = [];
  const words = new Uint32Array(contents);
  const guards = [
    ...words.subarray(0, guardBytes / 4),
    ...words.subarray(words.length - guardBytes / 4),
  ];
  if (!guards.every((word) => word === guardWord)) problems.push('wrote outside its buffer');
  const storage = output.storage ?? 'f32';
  const actual = elementsOf(contents, storage, output.values.length);
  let untouched = true;
  let squaredError = 0;
  let squared = 0;
  output.values.forEach((value, index) => {
    const got = actual[index] ?? Number.NaN;
    if (Number.isNaN(value)) {
      untouched &&= storage !== 'f32' || Number.isNaN(got);
      return;
    }
    squaredError += Number.isFinite(got) ? (got - value) ** 2 : Number.POSITIVE_INFINITY;
    squared += value ** 2;
  });
  if (!untouched) problems.push('wrote an element that it must leave alone');
  const nmse = squaredError === 0 ? 0 : squaredError / Math.max(squared, Number.MIN_VALUE);
  const bound = kernelCase.tolerance?.nmse ?? standardNmse[storage];
  if (!(nmse <= bound)) problems.push(`NMSE ${nmse} is above ${bound}`);
  return problems;
}

function elementsOf(
  contents: ArrayBuffer,
  storage: keyof typeof storageBytes,
  count: number,
): ArrayLike<number> {
  if (storage === 'f32') return new Float32Array(contents, guardBytes, count);
  if (storage === 'u32') return new Uint32Array(contents, guardBytes, count);
  if (storage === 'u8') return new Uint8Array(contents, guardBytes, count);
  return Float64Array.from(new Uint16Array(contents, guardBytes, count), halfToNumber);
}
