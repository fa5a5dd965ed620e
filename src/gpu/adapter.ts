import { VitrailError } from '../errors.ts';
import type { Support, Tier } from '../types.ts';
import { featuresOfTier, supportOf } from './capabilities.ts';

/** The first request after a browser starts is answered with null now and then. */
const retryMs = 300;
const retryStepMs = 50;

/** The adapter, or null with the reason. Never throws. */
export async function findAdapter(
  powerPreference: GPUPowerPreference = 'high-performance',
): Promise<{ adapter: GPUAdapter | null; reason: string }> {
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  if (!gpu) {
    const insecure = globalThis.isSecureContext === false;
    return { adapter: null, reason: insecure ? 'secure context (https)' : 'WebGPU' };
  }
  const deadline = Date.now() + retryMs;
  for (;;) {
    const adapter = await gpu.requestAdapter({ powerPreference }).catch(() => null);
    if (adapter) return { adapter, reason: '' };
    if (Date.now() >= deadline) return { adapter: null, reason: 'GPU adapter' };
    await new Promise((resolve) => setTimeout(resolve, retryStepMs));
  }
}

/** Can this browser run Vitrail? Never throws: what is missing stands in the answer. */
export async function checkSupport(): Promise<Support> {
  const { adapter, reason } = await findAdapter();
  return supportOf(adapter, reason);
}

/** Throws `gpu-unavailable` with the fix that fits the reason. */
export async function requireAdapter(powerPreference?: GPUPowerPreference): Promise<GPUAdapter> {
  const { adapter, reason } = await findAdapter(powerPreference);
  if (adapter) return adapter;
  throw new VitrailError('gpu-unavailable', `No GPU can be used here: ${reason} is missing.`, {
    where: 'gpu/adapter',
    fix: fixes[reason] ?? 'Use a current version of Chrome, Edge, Firefox or Safari.',
    detail: { missing: reason },
  });
}

const fixes: Record<string, string> = {
  WebGPU:
    'Use a current version of Chrome, Edge, Firefox or Safari; WebGPU is on by default there.',
  'secure context (https)':
    'Serve the page over https or from localhost: browsers hide WebGPU elsewhere.',
  'GPU adapter':
    'Update the graphics driver and switch on hardware acceleration in the browser settings; chrome://gpu names the reason.',
};

/** A device with every wanted feature of the tier and the largest limits that the adapter has. */
export async function requestDevice(adapter: GPUAdapter, maxTier: Tier = 'A'): Promise<GPUDevice> {
  const features = featuresOfTier(maxTier).filter((name) => adapter.features.has(name));
  const { limits } = adapter;
  try {
    return await adapter.requestDevice({
      requiredFeatures: features as GPUFeatureName[],
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      },
    });
  } catch (cause) {
    throw new VitrailError('gpu-unavailable', 'The GPU refused to open a device.', {
      where: 'gpu/device',
      fix: 'Close other tabs that use the GPU, then reload the page.',
      cause,
    });
  }
}
