import type { Dispatch, Gpu } from '../../src/gpu/gpu.ts';
import { chooseVariant, type Kernel, kernelLabel, prepareDispatch } from '../../src/gpu/kernel.ts';

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

/** Times the chosen variant, or all that run here: the median of five rounds by timestamps. */
export async function timeKernel<Use>(
  gpu: Gpu,
  timed: TimedKernel<Use>,
  allVariants: boolean,
): Promise<KernelTime[]> {
  const { kernel, use } = timed;
  const chosen = chooseVariant(kernel, use, gpu.capabilities);
  const variants = kernel.variants.filter(
    (variant) =>
      variant === chosen || (allVariants && variant.unsupported(use, gpu.capabilities) === null),
  );
  const { sets, owned } = createBuffers(gpu, timed);
  const times: KernelTime[] = [];
  for (const variant of variants) {
    const dispatches = await Promise.all(
      sets.map((buffers) => prepareDispatch(gpu, kernel, use, buffers, variant)),
    );
    const microseconds = await medianMicroseconds(gpu, dispatches, timed.rows);
    const streamed = timed.streamed ? timed.bytes[timed.streamed] : undefined;
    times.push({
      title: timed.title,
      label: kernelLabel(kernel, use, variant),
      chosen: variant === chosen,
      microseconds: round(microseconds),
      ...(streamed ? { gigabytesPerSecond: round(streamed / microseconds / 1e3) } : {}),
      ...(timed.flops ? { teraflopsPerSecond: round(timed.flops / microseconds / 1e6) } : {}),
    });
  }
  for (const buffer of owned) gpu.destroyBuffer(buffer);
  return times;
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

/** Numbers of ordinary size, whether read as f32 or as halves; nibbles and bytes of any value but for the top bits of each half. */
function fill(gpu: Gpu, buffer: GPUBuffer): void {
  const words = new Uint32Array(Math.min(buffer.size, 2 ** 22) / 4);
  let seed = 1;
  for (let i = 0; i < words.length; i += 1) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = (seed & 0x03ff_03ff) | 0x3800_3800;
  }
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    gpu.write(buffer, at, words.subarray(0, Math.min(words.length, (buffer.size - at) / 4)));
  }
}

async function medianMicroseconds(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  rows: number,
): Promise<number> {
  const first = await elapsedMicroseconds(gpu, dispatches, rows, dispatches.length);
  const estimate = await elapsedMicroseconds(gpu, dispatches, rows, dispatches.length);
  const each = Math.max(1, Math.min(first, estimate) / dispatches.length);
  const count = Math.max(dispatches.length, Math.min(2000, Math.ceil((roundMs * 1e3) / each)));
  const times: number[] = [];
  for (let i = 0; i < rounds; i += 1) {
    times.push((await elapsedMicroseconds(gpu, dispatches, rows, count)) / count);
  }
  return times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
}

/** GPU time of `count` dispatches in one pass. */
async function elapsedMicroseconds(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  rows: number,
  count: number,
): Promise<number> {
  const { device } = gpu;
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = gpu.createBuffer(
    'times',
    16,
    GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  );
  const staging = gpu.createBuffer(
    'times readback',
    16,
    GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  );
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass({
    timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
  });
  for (let i = 0; i < count; i += 1) {
    const dispatch = dispatches[i % dispatches.length] as Dispatch;
    pass.setPipeline(dispatch.pipeline);
    pass.setBindGroup(0, dispatch.bindGroup);
    pass.dispatchWorkgroups(...dispatch.workgroups(rows));
  }
  pass.end();
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16);
  device.queue.submit([encoder.finish()]);
  const [from = 0n, to = 0n] = new BigInt64Array(await gpu.readStaging(staging, 16));
  querySet.destroy();
  gpu.destroyBuffer(resolved);
  gpu.destroyBuffer(staging);
  return Number(to - from) / 1e3;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
