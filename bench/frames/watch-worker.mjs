/**
 * Runs in the library's worker, before a detector is loaded: counts what each frame makes, clocks the CPU, and has the GPU write its
 * clock around each pass of a frame. `self.frameWatch` gives what it saw.
 */
export function watchWorker() {
  const made = {};
  /** `whole`: frames submitted whole, whose time is `ms`. */
  const cpu = { frames: 0, whole: 0, ms: 0, readMs: 0 };
  /** The frame whose work is recorded; `waited` where its parts were timed by waiting for each. */
  let frame = null;
  let readBegan = 0;
  let clock = null;
  const limit = 400;

  /** Calls `before` and `after` around a method of a class. */
  function around(owner, method, before, after) {
    const original = owner.prototype[method];
    owner.prototype[method] = function (...given) {
      const changed = before?.call(this, given) ?? given;
      const result = original.apply(this, changed);
      after?.call(this, result, given);
      return result;
    };
  }
  const counted = [
    [GPUDevice, ['createBuffer', 'createTexture', 'createBindGroup', 'createSampler']],
    [GPUDevice, ['createQuerySet', 'createCommandEncoder', 'importExternalTexture']],
    [GPUTexture, ['createView']],
    [GPUCommandEncoder, ['beginComputePass', 'beginRenderPass']],
    [GPUComputePassEncoder, ['dispatchWorkgroups']],
    [GPUQueue, ['submit', 'writeBuffer', 'copyExternalImageToTexture']],
    [GPUBuffer, ['mapAsync']],
    [VideoFrame, ['copyTo']],
  ];
  for (const [owner, methods] of counted) {
    for (const method of methods) {
      around(owner, method, () => {
        made[method] = (made[method] ?? 0) + 1;
      });
    }
  }

  const begin = () => {
    // A frame that cannot be had in one way comes in another: one frame all the same.
    if (frame && frame.passes === 0) return;
    frame = { began: performance.now(), passes: 0, waited: false };
    if (clock && clock.frames < limit) clock.frames += 1;
    else if (clock) clock.full = true;
  };
  around(VideoFrame, 'copyTo', begin);
  around(GPUDevice, 'importExternalTexture', begin);
  around(GPUQueue, 'copyExternalImageToTexture', begin);
  around(GPUQueue, 'onSubmittedWorkDone', () => {
    if (frame) frame.waited = true;
  });
  around(GPUBuffer, 'getMappedRange', function () {
    if (this.usage & GPUBufferUsage.MAP_READ) readBegan = performance.now();
  });
  around(MessagePort, 'postMessage', undefined, () => {
    if (!readBegan || !frame) return;
    cpu.readMs += performance.now() - readBegan;
    readBegan = 0;
  });
  // The last of a frame's work is its readback; memory for a later frame may be asked for before it.
  around(GPUBuffer, 'mapAsync', undefined, (_, [mode]) => {
    if (!frame || mode !== GPUMapMode.READ) return;
    cpu.frames += 1;
    if (frame.waited) return;
    cpu.whole += 1;
    cpu.ms += performance.now() - frame.began;
  });

  around(GPUDevice, 'createCommandEncoder', function () {
    if (clock && !clock.querySet && this.features.has('timestamp-query')) {
      clock.device = this;
      clock.querySet = this.createQuerySet({ type: 'timestamp', count: limit * 8 });
    }
  });
  const clocked = ([descriptor]) => {
    if (!frame || frame.passes > 3) return;
    const pass = frame.passes++;
    if (clock?.frames) clock.passes[clock.frames - 1] = frame.passes;
    if (!clock?.querySet || clock.full || clock.frames === 0) return;
    const first = (clock.frames - 1) * 8 + pass * 2;
    const timestampWrites = {
      querySet: clock.querySet,
      beginningOfPassWriteIndex: first,
      endOfPassWriteIndex: first + 1,
    };
    return [{ ...descriptor, timestampWrites }];
  };
  around(GPUCommandEncoder, 'beginComputePass', clocked);
  around(GPUCommandEncoder, 'beginRenderPass', clocked);

  self.frameWatch = {
    /** Forgets what was seen; `withClock`: the GPU's clock is asked from now on. */
    reset(withClock) {
      for (const name of Object.keys(made)) delete made[name];
      Object.assign(cpu, { frames: 0, whole: 0, ms: 0, readMs: 0 });
      clock?.querySet?.destroy();
      frame = null;
      clock = withClock
        ? { frames: 0, passes: [], full: false, querySet: null, device: null }
        : null;
    },
    seen: () => ({ made: { ...made }, cpu: { ...cpu } }),
    /** Milliseconds of the frames whose parts are passes of their own, and of those submitted whole: all compute, and drawing. */
    async times() {
      const { device, querySet, frames, passes } = clock ?? {};
      clock = null;
      if (!querySet) return null;
      const size = frames * 64;
      const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
      const resolved = device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
      const staging = device.createBuffer({ size, usage: COPY_DST | MAP_READ });
      const encoder = device.createCommandEncoder();
      encoder.resolveQuerySet(querySet, 0, frames * 8, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const ticks = new BigInt64Array(staging.getMappedRange().slice(0));
      for (const resource of [querySet, resolved, staging]) resource.destroy();
      const ms = (i, from, to) => Number(ticks[i * 8 + to] - ticks[i * 8 + from]) / 1e6;
      const timed = (count) => [...passes.keys()].filter((i) => passes[i] === count);
      return {
        parts: timed(4).map((i) => {
          return { pre: ms(i, 0, 1), infer: ms(i, 2, 3), post: ms(i, 4, 5), draw: ms(i, 6, 7) };
        }),
        whole: timed(2).map((i) => {
          return { compute: ms(i, 0, 1), draw: ms(i, 2, 3), frame: ms(i, 0, 3) };
        }),
      };
    },
  };
}
