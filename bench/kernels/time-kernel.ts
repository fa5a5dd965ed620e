import type { Dispatch, Gpu } from '../../src/gpu/gpu.ts';
import { chooseVariant, type Kernel, kernelLabel, prepareDispatch } from '../../src/gpu/kernel.ts';
import { createSharedParams } from '../../src/gpu/shared-params.ts';

import { fill } from './random-buffer.ts';

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
  { kernel, use, bytes, state, streamed }: TimedKernel<Use>,
): { sets: Record<string, GPUBuffer>[]; owned: GPUBuffer[] } {
  const owned: GPUBuffer[] = [];
  const create = (name: string) => {
    const { access } = kernel.bindings.find((binding) => binding.name === name) ?? {};
    const usage = access === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
    const buffer = gpu.createBuffer(name, bytes[name] ?? 0, usage | GPUBufferUsage.COPY_DST);
    owned.push(buffer);
    fill(gpu, buffer);
    if (name === 'state' && state) gpu.write(buffer, 0, Uint32Array.from(state));
    return buffer;
  };
  const inUse = kernel.bindings.filter((binding) => binding.when?.(use) ?? true);
  const shared = Object.fromEntries(inUse.map(({ name }) => [name, create(name)]));
  const copies = streamed
    ? Math.min(maxCopies, Math.max(1, Math.ceil(copiesBytes / (bytes[streamed] ?? 1))))
    : 1;
  const sets = Array.from({ length: copies }, (_, index) =>
    streamed && index > 0 ? { ...shared, [streamed]: create(streamed) } : shared,
  );
  return { sets, owned };
}

/** GPUs leave their idle clock only under steady load: everything is queued at once, the warm-up first. */
export async function medianMicroseconds(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  rows: number,
): Promise<number> {
  const [estimate = 1] = await timedPasses(gpu, dispatches, rows, dispatches.length, 1, 1);
  // Without hardware there is no clock to warm up, and a frame takes seconds: the pass just timed is the answer.
  if (estimate > patienceMs * 1e3) return estimate / dispatches.length;
  const each = Math.max(1, estimate / dispatches.length);
  const count = Math.max(dispatches.length, Math.min(2000, Math.ceil((roundMs * 1e3) / each)));
  const warmUps = Math.ceil((warmUpMs * 1e3) / (each * count));
  const times = await timedPasses(gpu, dispatches, rows, count, warmUps, rounds);
  return (times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN) / count;
}

/** Microseconds of each of `passes` passes of `count` dispatches, right behind `warmUps` of them. */
async function timedPasses(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  rows: number,
  count: number,
  warmUps: number,
  passes: number,
): Promise<number[]> {
  const { device } = gpu;
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * passes });
  const bytes = 16 * passes;
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const resolved = gpu.createBuffer('times', bytes, QUERY_RESOLVE | COPY_SRC);
  const staging = gpu.createBuffer('times readback', bytes, MAP_READ | COPY_DST);
  for (let i = -warmUps; i < passes; i += 1) {
    const encoder = device.createCommandEncoder();
    const timestampWrites = {
      querySet,
      beginningOfPassWriteIndex: 2 * i,
      endOfPassWriteIndex: 2 * i + 1,
    };
    const pass = encoder.beginComputePass(i < 0 ? {} : { timestampWrites });
    for (let n = 0; n < count; n += 1) {
      const dispatch = dispatches[n % dispatches.length] as Dispatch;
      pass.setPipeline(dispatch.pipeline);
      pass.setBindGroup(0, dispatch.bindGroup);
      pass.dispatchWorkgroups(...dispatch.workgroups(rows));
    }
    pass.end();
    if (i === passes - 1) {
      encoder.resolveQuerySet(querySet, 0, 2 * passes, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    }
    device.queue.submit([encoder.finish()]);
  }
  const times = new BigInt64Array(await gpu.readStaging(staging, bytes));
  querySet.destroy();
  gpu.destroyBuffer(resolved);
  gpu.destroyBuffer(staging);
  return Array.from(
    { length: passes },
    (_, i) => Number((times[2 * i + 1] ?? 0n) - (times[2 * i] ?? 0n)) / 1e3,
  );
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
