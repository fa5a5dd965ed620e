import { VitrailError } from '../errors.ts';
import type { RuntimeProfile, RuntimeStats, Tier } from '../types.ts';
import { requestDevice, requireAdapter } from './adapter.ts';
import { adapterName, type Capabilities, capabilitiesOf } from './capabilities.ts';
import type { BoundBuffers, Kernel, KernelVariant } from './kernel.ts';
import { compileDispatch } from './kernel-code.ts';
import { Profiler } from './profiler.ts';

/** A buffer that cannot be mapped tells of a lost device, which its own promise tells about as soon. */
const lossNoticeMs = 100;

/** A part of a buffer, as a bind group takes it. Offsets are multiples of 256 bytes. */
export interface BufferRange {
  buffer: GPUBuffer;
  offset?: number;
  size?: number;
}

export interface GpuOptions {
  powerPreference?: GPUPowerPreference;
  /** No buffer becomes larger than this, whatever the adapter allows. */
  maxBufferBytes?: number;
  /** Leave features of better tiers unused: to see what visitors with lesser GPUs see. */
  maxTier?: Tier;
  /** Time every dispatch, where the adapter has timestamp queries. */
  profile?: boolean;
}

/**
 * The device and the account of what is on it. Every buffer, pipeline and submit goes through here, so that
 * `stats` is exact and every failure of the GPU becomes a `VitrailError`.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly capabilities: Capabilities;
  readonly adapterName: string;
  /** Settles when the device is gone; the reason is `destroyed` after `dispose`. */
  readonly lost: Promise<GPUDeviceLostInfo>;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #calls: RuntimeStats['calls'] = {
    dispatches: 0,
    submits: 0,
    passes: 0,
    writeBuffers: 0,
    bindGroups: 0,
    buffers: 0,
  };
  readonly #profiler: Profiler | null;
  #gpuBytes = 0;
  #buffers = 0;
  #isLost = false;

  static async create(options: GpuOptions = {}): Promise<Gpu> {
    const adapter = await requireAdapter(options.powerPreference);
    const device = await requestDevice(adapter, options.maxTier);
    return new Gpu(device, adapter, options);
  }

  private constructor(device: GPUDevice, adapter: GPUAdapter, options: GpuOptions) {
    this.device = device;
    const capabilities = capabilitiesOf(
      device.features,
      device.limits,
      adapter.info,
      navigator.gpu.wgslLanguageFeatures ?? new Set(),
    );
    const maxBufferBytes = Math.min(
      capabilities.maxBufferBytes,
      options.maxBufferBytes ?? Number.POSITIVE_INFINITY,
    );
    this.capabilities = { ...capabilities, maxBufferBytes };
    this.#profiler = options.profile ? Profiler.create(device) : null;
    this.adapterName = adapterName(adapter.info);
    this.lost = device.lost.then((info) => {
      this.#isLost = true;
      return info;
    });
  }

  /** Bytes of the largest storage buffer: it must be allocated and bound whole. */
  get maxStorageBytes(): number {
    const { maxBufferBytes, maxBindingBytes } = this.capabilities;
    return Math.min(maxBufferBytes, maxBindingBytes);
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Throws `gpu-device-lost` once the device is gone. */
  checkAlive(): void {
    if (this.#isLost) throw deviceLostError();
  }

  /**
   * A zeroed buffer. Throws `gpu-limit-exceeded` where the adapter cannot have one of this size; running out of
   * memory is seen by `withMemoryCheck`.
   */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const limit =
      usage & GPUBufferUsage.STORAGE ? this.maxStorageBytes : this.capabilities.maxBufferBytes;
    if (size > limit) {
      throw new VitrailError(
        'gpu-limit-exceeded',
        `'${label}' needs a buffer of ${size} bytes; this GPU allows ${limit}.`,
        {
          where: 'gpu/buffer',
          fix: 'Use a smaller model, a smaller contextLength, or a GPU with larger buffers.',
          detail: { label, neededBytes: size, limitBytes: limit },
        },
      );
    }
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#gpuBytes += size;
    this.#buffers += 1;
    this.#calls.buffers += 1;
    return buffer;
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.#gpuBytes -= buffer.size;
    this.#buffers -= 1;
    buffer.destroy();
  }

  /**
   * Runs `allocate`, waits for the GPU's verdict, and turns an allocation failure into `gpu-out-of-memory`, after what
   * was allocated is disposed.
   */
  async withMemoryCheck<T extends { dispose(): void }>(allocate: () => T): Promise<T> {
    this.device.pushErrorScope('out-of-memory');
    let result: T;
    try {
      result = allocate();
    } catch (thrown) {
      await this.device.popErrorScope().catch(() => null);
      throw thrown;
    }
    const error = await this.device.popErrorScope().catch(() => null);
    if (!error && !this.#isLost) return result;
    result.dispose();
    this.checkAlive();
    throw new VitrailError('gpu-out-of-memory', 'The GPU has no memory left for this model.', {
      where: 'gpu/buffer',
      fix: 'Use a smaller model or a smaller contextLength, or close other tabs that use the GPU.',
      detail: { gpuBytes: this.#gpuBytes },
      cause: error?.message,
    });
  }

  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    this.#calls.writeBuffers += 1;
    this.device.queue.writeBuffer(buffer, offset, data);
  }

  /** A pipeline for linked WGSL; the text is the key. Compiles in the background. */
  pipeline(label: string, code: string): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(code);
    if (!pipeline) {
      pipeline = this.#compile(label, code);
      this.#pipelines.set(code, pipeline);
      pipeline.catch(() => this.#pipelines.delete(code));
    }
    return pipeline;
  }

  async #compile(label: string, code: string): Promise<GPUComputePipeline> {
    this.checkAlive();
    const module = this.device.createShaderModule({ label, code });
    try {
      return await this.device.createComputePipelineAsync({
        label,
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
    } catch (cause) {
      throw await this.#compileError(label, module, cause);
    }
  }

  async #compileError(
    label: string,
    module: GPUShaderModule,
    cause: unknown,
  ): Promise<VitrailError> {
    if (this.#isLost) return deviceLostError(cause);
    const info = await module.getCompilationInfo();
    const messages = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`);
    const reason = messages[0] ?? String(cause);
    return new VitrailError(
      'shader-invalid',
      `The browser rejected the kernel ${label}: ${reason}`,
      {
        where: label,
        fix: 'Update the browser and the graphics driver. If it stays, report it with this message.',
        detail: { messages },
        cause,
      },
    );
  }

  /** A pipeline that draws, its stages being `vertex` and `fragment` of linked WGSL. Throws `shader-invalid`. */
  async renderPipeline(
    label: string,
    code: string,
    stages: { vertex: string; fragment: string; topology: GPUPrimitiveTopology },
    target: GPUColorTargetState,
  ): Promise<GPURenderPipeline> {
    this.checkAlive();
    const module = this.device.createShaderModule({ label, code });
    try {
      return await this.device.createRenderPipelineAsync({
        label,
        layout: 'auto',
        vertex: { module, entryPoint: stages.vertex },
        fragment: { module, entryPoint: stages.fragment, targets: [target] },
        primitive: { topology: stages.topology },
      });
    } catch (cause) {
      throw await this.#compileError(label, module, cause);
    }
  }

  /**
   * A variant of a kernel, compiled and bound. Parts of the worker come here for it by `prepareDispatch`, so what links shaders stands
   * in the worker's own script, once for all of them.
   */
  prepare<Use>(
    kernel: Kernel<Use>,
    use: Use,
    buffers: BoundBuffers,
    variant: KernelVariant<Use>,
  ): Promise<Dispatch> {
    return compileDispatch(this, kernel, use, buffers, variant);
  }

  createBindGroup(
    label: string,
    pipeline: GPUComputePipeline | GPURenderPipeline,
    entries: readonly { binding: number; resource: BufferRange | GPUBindingResource }[],
  ): GPUBindGroup {
    this.#calls.bindGroups += 1;
    return this.device.createBindGroup({
      label,
      layout: pipeline.getBindGroupLayout(0),
      entries: [...entries],
    });
  }

  /** One encoder, one pass, one submit. `after` adds copies behind the pass, `before` before it. */
  submit(
    dispatches: readonly Dispatch[],
    rows: number,
    after?: (encoder: GPUCommandEncoder) => void,
    before?: (encoder: GPUCommandEncoder) => void,
  ): void {
    this.submitAll([dispatches], rows, after, before);
  }

  /** `submit` of several lists in a row. */
  submitAll(
    lists: readonly (readonly Dispatch[])[],
    rows: number,
    after?: (encoder: GPUCommandEncoder) => void,
    before?: (encoder: GPUCommandEncoder) => void,
  ): void {
    this.checkAlive();
    const encoder = this.device.createCommandEncoder();
    before?.(encoder);
    const timing = this.#profiler?.begin(
      lists.flat().filter((each) => each.workgroups(rows)[0] > 0),
    );
    let recorded = 0;
    let pass = encoder.beginComputePass(timing?.pass(0));
    for (const dispatches of lists) {
      for (const dispatch of dispatches) {
        const [x, y, z] = dispatch.workgroups(rows);
        if (x === 0) continue;
        if (timing && recorded > 0) {
          pass.end();
          pass = encoder.beginComputePass(timing.pass(recorded));
        }
        pass.setPipeline(dispatch.pipeline);
        pass.setBindGroup(0, dispatch.bindGroup);
        pass.dispatchWorkgroups(x, y, z);
        recorded += 1;
      }
    }
    pass.end();
    after?.(encoder);
    timing?.resolve(encoder);
    this.device.queue.submit([encoder.finish()]);
    timing?.read();
    this.#calls.dispatches += recorded;
    this.#calls.passes += timing ? recorded : 1;
    this.#calls.submits += 1;
  }

  /** As `submit`, for work that is more than one pass: render passes, copies, timestamps. `record` says what it encoded. */
  submitRecorded(
    record: (encoder: GPUCommandEncoder) => { dispatches: number; passes: number },
  ): void {
    this.checkAlive();
    const encoder = this.device.createCommandEncoder();
    const { dispatches, passes } = record(encoder);
    this.device.queue.submit([encoder.finish()]);
    this.#calls.dispatches += dispatches;
    this.#calls.passes += passes;
    this.#calls.submits += 1;
  }

  /** The bytes of a staging buffer once the GPU has written them. Throws `gpu-device-lost`. */
  async readStaging(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, bytes);
    } catch (cause) {
      // Whoever hears of it here may ask again at once: the loss itself is to be known first.
      await Promise.race([this.lost, new Promise((done) => setTimeout(done, lossNoticeMs))]);
      throw deviceLostError(cause);
    }
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    return copy;
  }

  /** The contents of buffers, one behind the other. */
  async readBuffers(buffers: readonly GPUBuffer[]): Promise<Uint32Array<ArrayBuffer>> {
    const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const staging = this.createBuffer('readback', bytes, MAP_READ | COPY_DST);
    try {
      this.submit([], 0, (encoder) => {
        let at = 0;
        for (const buffer of buffers) {
          encoder.copyBufferToBuffer(buffer, 0, staging, at, buffer.size);
          at += buffer.size;
        }
      });
      return new Uint32Array(await this.readStaging(staging, bytes));
    } finally {
      this.destroyBuffer(staging);
    }
  }

  stats(): RuntimeStats {
    return {
      gpuBytes: this.#gpuBytes,
      buffers: this.#buffers,
      pipelines: this.#pipelines.size,
      calls: { ...this.#calls },
    };
  }

  /** GPU time by kernel since the last call. */
  async profile(): Promise<RuntimeProfile> {
    const kernels = await this.#profiler?.report();
    return { supported: kernels !== undefined, kernels: kernels ?? [] };
  }

  dispose(): void {
    this.device.destroy();
  }
}

/** What `submit` records: a pipeline, its buffers, and how many workgroups run. */
export interface Dispatch {
  /** For profilers: the kernel and its variant. */
  label: string;
  /** Bytes of the buffers bound. */
  boundBytes: number;
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup;
  /** Workgroup counts for this many rows (tokens). Zero where another dispatch does its work for so many: it is not recorded. */
  workgroups(rows: number): readonly [number, number, number];
}

/** Of a dispatch that leaves a pass of so many rows to another. */
export const noWorkgroups = [0, 0, 0] as const;

export function deviceLostError(cause?: unknown): VitrailError {
  return new VitrailError('gpu-device-lost', 'The browser lost the connection to the GPU.', {
    where: 'gpu/device',
    fix: 'Ask again: the runtime opens the GPU anew and reloads the model from this browser’s storage.',
    cause,
  });
}
