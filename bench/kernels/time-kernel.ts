import type { Dispatch, Gpu } from '../../src/gpu/gpu.ts';
import { chooseVariant, type Kernel, prepareDispatch } from '../../src/gpu/kernel.ts';
import { bindingsOf, kernelLabel } from '../../src/gpu/kernel-code.ts';
import { createSharedParams } from '../../src/gpu/shared-params.ts';
import { packSampler, type SamplerSettings } from '../../src/kernels/sample.ts';

import { fill } from './random-buffer.ts';
import { type TimedPass, timedPasses } from './timed-passes.ts';

/** A kernel at the sizes of a real model. */
export interface TimedKernel<Use> {
  title: string;
  kernel: Kernel<Use>;
  use: Use;
  /** Tokens of the pass. */
  rows: number;
  /** Bytes of each binding. */
  bytes: Readonly<Record<string, number>>;
  /** Contents of `state`. */
  state?: readonly number[];
  /** Contents of `sampler`. */
  sampler?: SamplerSettings;
  /** The binding that is read once and differs from layer to layer: copies of it keep the cache from holding it. */
  streamed?: string;
  /** Floating-point operations of a dispatch. */
  flops?: number;
}

export interface KernelTime {
  title: string;
  label: string;
  chosen: boolean;
  /** Of one dispatch in a row of many, each waiting for the one before. */
  microseconds: number;
  gigabytesPerSecond?: number;
  teraflopsPerSecond?: number;
}

const copiesBytes = 256 * 2 ** 20;
const maxCopies = 30;
const rounds = 5;
/** GPU work of one round, roughly. */
const roundMs = 12;
const warmUpMs = 250;
const mostDispatches = 2000;
/** A pass longer than this is not repeated. */
const patienceMs = 500;

/** Times the chosen variant, or those whose names contain one of `names`: the median of five rounds by timestamps. */
export async function* timeKernel<Use>(
  gpu: Gpu,
  timed: TimedKernel<Use>,
  names: readonly string[] | 'chosen',
): AsyncGenerator<KernelTime> {
  const { kernel, use } = timed;
  const chosen = chooseVariant(kernel, use, gpu.capabilities);
  const variants = kernel.variants.filter(
    (variant) =>
      variant === chosen ||
      (names !== 'chosen' &&
        variant.name !== 'serial' &&
        names.some((name) => variant.name.includes(name)) &&
        variant.unsupported(use, gpu.capabilities) === null),
  );
  const { sets, owned } = createBuffers(gpu, timed);
  for (const variant of variants) {
    const shared = createSharedParams(gpu, kernel, use, variant);
    const dispatches = await Promise.all(
      sets.map((buffers) => prepareDispatch(gpu, kernel, use, { ...buffers, ...shared }, variant)),
    );
    const microseconds = await medianMicroseconds(gpu, dispatches, timed.rows);
    if (shared.params) gpu.destroyBuffer(shared.params);
    const streamed = timed.streamed ? timed.bytes[timed.streamed] : undefined;
    yield {
      title: timed.title,
      label: kernelLabel(kernel, use, variant),
      chosen: variant === chosen,
      microseconds: round(microseconds),
      ...(streamed ? { gigabytesPerSecond: round(streamed / microseconds / 1e3) } : {}),
      ...(timed.flops ? { teraflopsPerSecond: round(timed.flops / microseconds / 1e6) } : {}),
    };
  }
  for (const buffer of owned) gpu.destroyBuffer(buffer);
}

function createBuffers<Use>(
  gpu: Gpu,
  { kernel, use, bytes, state, sampler, streamed }: TimedKernel<Use>,
): { sets: Record<string, GPUBuffer>[]; owned: GPUBuffer[] } {
  const owned: GPUBuffer[] = [];
  const inUse = bindingsOf(kernel, use);
  const create = (name: string) => {
    const { access } = inUse.find((binding) => binding.name === name) ?? {};
    const usage = access === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
    const buffer = gpu.createBuffer(name, bytes[name] ?? 0, usage | GPUBufferUsage.COPY_DST);
    owned.push(buffer);
    fill(gpu, buffer);
    if (name === 'state' && state) gpu.write(buffer, 0, Uint32Array.from(state));
    if (name === 'sampler' && sampler) gpu.write(buffer, 0, packSampler(sampler));
    return buffer;
  };
  const shared = Object.fromEntries(inUse.map(({ name }) => [name, create(name)]));
  const copies = streamed
    ? Math.min(maxCopies, Math.max(1, Math.ceil(copiesBytes / (bytes[streamed] ?? 1))))
    : 1;
  const sets = Array.from({ length: copies }, (_, index) =>
    streamed && index > 0 ? { ...shared, [streamed]: create(streamed) } : shared,
  );
  return { sets, owned };
}

/** Of one dispatch, in a row of them over and over. */
export async function medianMicroseconds(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  rows: number,
): Promise<number> {
  const once = { dispatches, rows, times: 1 };
  const [, estimate = 1] = await timedPasses(gpu, [once, once]);
  // Without hardware there is no clock to warm up, and a frame takes seconds: the pass just timed is the answer.
  if (estimate > patienceMs * 1e3) return estimate / dispatches.length;
  const most = Math.ceil(mostDispatches / dispatches.length);
  const times = Math.min(most, Math.max(1, Math.ceil((roundMs * 1e3) / estimate)));
  const warmUps = Math.ceil((warmUpMs * 1e3) / (times * Math.max(1, estimate)));
  const passes = new Array<TimedPass>(warmUps + rounds).fill({ ...once, times });
  const measured = (await timedPasses(gpu, passes)).slice(warmUps).sort((a, b) => a - b);
  return (measured[rounds >> 1] ?? Number.NaN) / (times * dispatches.length);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
