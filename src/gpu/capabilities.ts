import type { Support, Tier } from '../types.ts';

/** What an adapter offers, as far as kernels care. Read once; nothing here is assumed. */
export interface Capabilities {
  tier: Tier;
  f16: boolean;
  subgroups: boolean;
  subgroupMatrix: boolean;
  timestamps: boolean;
  /** Inner products of packed bytes are one instruction: every browser has the function, but Apple's GPUs take it apart. */
  packedDot: boolean;
  /** A software adapter: barriers are slow there, so barrier-free kernels win. */
  software: boolean;
  /** Smallest and largest number of invocations in a subgroup; 0 where there are none. */
  minSubgroupSize: number;
  maxSubgroupSize: number;
  workgroupStorageBytes: number;
  workgroupInvocations: number;
  maxBufferBytes: number;
  maxBindingBytes: number;
}

/** Chromium's name for the feature while it is an origin trial; not in the published types yet. */
export const subgroupMatrixFeature: string = 'chromium-experimental-subgroup-matrix';

/** Features that are asked for wherever the adapter has them. */
export const wantedFeatures: readonly string[] = [
  'shader-f16',
  'subgroups',
  subgroupMatrixFeature,
  'timestamp-query',
];

/** The wanted features that a device of this tier may have. */
export function featuresOfTier(tier: Tier): readonly string[] {
  const beyond: Record<Tier, string[]> = {
    A: [],
    B: [subgroupMatrixFeature],
    C: [subgroupMatrixFeature, 'shader-f16'],
    D: [subgroupMatrixFeature, 'shader-f16', 'subgroups'],
  };
  return wantedFeatures.filter((name) => !beyond[tier].includes(name));
}

/** A: shader-f16 and subgroup matrix. B: f16 and subgroups. C: subgroups. D: none of them. */
export function tierOf(features: ReadonlySet<string>): Tier {
  const f16 = features.has('shader-f16');
  const subgroups = features.has('subgroups');
  if (f16 && subgroups) return features.has(subgroupMatrixFeature) ? 'A' : 'B';
  return subgroups ? 'C' : 'D';
}

export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(adapterName(info));
}

export function adapterName(info: GPUAdapterInfo): string {
  const parts = [info.vendor, info.architecture, info.device, info.description];
  return [...new Set(parts.filter(Boolean))].join(' ') || 'unnamed adapter';
}

export function capabilitiesOf(
  features: ReadonlySet<string>,
  limits: GPUSupportedLimits,
  info: GPUAdapterInfo,
  language: ReadonlySet<string>,
): Capabilities {
  const subgroups = features.has('subgroups');
  return {
    tier: tierOf(features),
    f16: features.has('shader-f16'),
    subgroups,
    subgroupMatrix: features.has(subgroupMatrixFeature),
    timestamps: features.has('timestamp-query'),
    packedDot: language.has('packed_4x8_integer_dot_product') && info.vendor !== 'apple',
    software: isSoftware(info),
    minSubgroupSize: subgroups ? info.subgroupMinSize : 0,
    maxSubgroupSize: subgroups ? info.subgroupMaxSize : 0,
    workgroupStorageBytes: limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: limits.maxComputeInvocationsPerWorkgroup,
    maxBufferBytes: limits.maxBufferSize,
    maxBindingBytes: limits.maxStorageBufferBindingSize,
  };
}

/** What `checkSupport` answers for an adapter, or for its absence. */
export function supportOf(adapter: GPUAdapter | null, reason = ''): Support {
  if (!adapter) return { ok: false, tier: null, adapter: '', fallback: false, missing: [reason] };
  const missing = wantedFeatures.filter((name) => !adapter.features.has(name));
  return {
    ok: true,
    tier: tierOf(adapter.features),
    adapter: adapterName(adapter.info),
    fallback: isSoftware(adapter.info),
    missing,
  };
}
