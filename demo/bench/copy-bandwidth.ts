const wantedBytes = 256 * 2 ** 20;

/**
 * Bytes read and written each second by buffer copies on the GPU: what no kernel that streams its weights can much exceed.
 * 0 where no device can be had.
 */
export async function copyBandwidth(): Promise<number> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return 0;
  const isSoftware = adapter.info.isFallbackAdapter || adapter.info.architecture === 'swiftshader';
  const size = Math.min(isSoftware ? 16 * 2 ** 20 : wantedBytes, adapter.limits.maxBufferSize);
  const device = await adapter.requestDevice({ requiredLimits: { maxBufferSize: size } });
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [source, target] = [0, 1].map(() => device.createBuffer({ size, usage })) as [
    GPUBuffer,
    GPUBuffer,
  ];
  const timed = async (copies: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < copies; i += 1) encoder.copyBufferToBuffer(source, 0, target, 0, size);
    const began = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - began;
  };
  await timed(2);
  // The difference of many and few is free of the wait for an answer.
  const [few, many] = [await timed(2), await timed(isSoftware ? 6 : 42)];
  const copies = isSoftware ? 4 : 40;
  device.destroy();
  return many > few ? Math.round((2 * size * copies * 1000) / (many - few)) : 0;
}
