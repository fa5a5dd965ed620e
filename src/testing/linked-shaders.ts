import type { Capabilities } from '../gpu/capabilities.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { kernelCode, kernelLabel } from '../gpu/kernel-code.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';
import { kernelCatalogue } from './kernel-catalogue.ts';

/** An adapter that has all there is. */
export const everything: Capabilities = {
  tier: 'A',
  f16: true,
  subgroups: true,
  subgroupMatrix: true,
  timestamps: true,
  packedDot: true,
  software: false,
  minSubgroupSize: 32,
  maxSubgroupSize: 32,
  workgroupStorageBytes: 49_152,
  workgroupInvocations: 1024,
  maxBufferBytes: 2 ** 32,
  maxBindingBytes: 2 ** 31,
};

/**
 * The linked text of every variant that a case uses, by file name. Throws where one label stands for two texts that differ in more than
 * sizes: profiles and errors would be ambiguous. `library`: modules in place of the kernels' own.
 */
export function linkedShaders(library?: ShaderLibrary): Map<string, string> {
  const shaders = new Map<string, string>();
  for (const { kernel, cases } of kernelCatalogue) {
    collect(library ? { ...kernel, library } : kernel, cases, shaders);
  }
  return shaders;
}

function collect<Use>(
  kernel: Kernel<Use>,
  cases: readonly { use: Use }[],
  shaders: Map<string, string>,
): void {
  for (const { use } of cases) {
    for (const variant of kernel.variants) {
      if (variant.unsupported(use, everything) !== null) continue;
      const label = kernelLabel(kernel, use, variant);
      const name = `${label.replace('/', '-').replace(/[[\]]/g, '_').replace(/_$/, '')}.wgsl`;
      const code = kernelCode(kernel, use, variant);
      const known = shaders.get(name) ?? code;
      if (withoutSizes(known) !== withoutSizes(code)) throw new Error(`${label} names two texts`);
      // The first case's sizes are shown.
      shaders.set(name, known);
    }
  }
}

function withoutSizes(code: string): string {
  return code.replace(/^const params ?=.*$/m, '');
}
