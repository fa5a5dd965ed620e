import type { Dispatch, Gpu } from '../../src/gpu/gpu.ts';

/** A compute pass: what is dispatched in it, so many times over. */
export interface TimedPass {
  dispatches: readonly Dispatch[];
  rows: number;
  times: number;
  /** Submits what comes first, untimed. */
  before?: () => void;
}

/** Microseconds of each pass by the GPU's clock, between its first dispatch and its last one. All are queued at once: GPUs leave their idle clock only under steady load. */
export async function timedPasses(gpu: Gpu, passes: readonly TimedPass[]): Promise<number[]> {
  const { device } = gpu;
  const count = 2 * passes.length;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const bytes = 8 * count;
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const resolved = gpu.createBuffer('times', bytes, QUERY_RESOLVE | COPY_SRC);
  const staging = gpu.createBuffer('times readback', bytes, MAP_READ | COPY_DST);
  passes.forEach(({ dispatches, rows, times, before }, i) => {
    before?.();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({
      timestampWrites: {
        querySet,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      },
    });
    for (let n = 0; n < times; n += 1) {
      for (const { pipeline, bindGroup, workgroups } of dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...workgroups(rows));
      }
    }
    pass.end();
    if (i === passes.length - 1) {
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    }
    device.queue.submit([encoder.finish()]);
  });
  const clock = new BigInt64Array(await gpu.readStaging(staging, bytes));
  querySet.destroy();
  gpu.destroyBuffer(resolved);
  gpu.destroyBuffer(staging);
  return passes.map((_, i) => Number((clock[2 * i + 1] ?? 0n) - (clock[2 * i] ?? 0n)) / 1e3);
}
