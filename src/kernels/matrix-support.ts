import type { Capabilities } from '../gpu/capabilities.ts';

/** Why the matrix variants do not run on an adapter, or null. */
export function matrixUnsupported({
  f16,
  subgroupMatrix,
  minSubgroupSize,
  maxSubgroupSize,
  workgroupStorageBytes,
}: Capabilities): string | null {
  if (!f16 || !subgroupMatrix) return 'needs shader-f16 and subgroup matrices';
  if (minSubgroupSize !== 32 || maxSubgroupSize !== 32) return 'needs subgroups of 32';
  return workgroupStorageBytes < 47_000 ? 'needs 46 KB of workgroup memory' : null;
}
