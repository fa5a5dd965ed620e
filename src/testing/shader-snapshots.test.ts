import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../gpu/capabilities.ts';
import { type Kernel, kernelCode, kernelLabel } from '../gpu/kernel.ts';
import { kernelCatalogue } from './kernel-catalogue.ts';

const folder = fileURLToPath(new URL('../../shaders/__snapshots__/', import.meta.url));

/** An adapter that has all there is. */
const everything: Capabilities = {
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

/** The linked text of every variant that a case uses, by file name. */
function linkedShaders(): Map<string, string> {
  const shaders = new Map<string, string>();
  for (const { kernel, cases } of kernelCatalogue) collect(kernel, cases, shaders);
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
      // One label, one text but for the sizes: else profiles and errors would be ambiguous. The first case's sizes are shown.
      expect(withoutSizes(known), label).toBe(withoutSizes(code));
      shaders.set(name, known);
    }
  }
}

function withoutSizes(code: string): string {
  return code.replace(/^const params = .*$/m, '');
}

/**
 * What the GPU sees is committed, so that a review sees it too. After a change of a kernel that is meant:
 * `npx vitest run --project node src/testing/shader-snapshots --update`.
 */
describe('linked shaders', () => {
  const shaders = linkedShaders();

  it.each([...shaders])('%s', async (name, code) => {
    await expect(code).toMatchFileSnapshot(`${folder}${name}`);
  });

  it('has no snapshot of a variant that is gone', () => {
    const stale = readdirSync(folder).filter((name) => !shaders.has(name));
    expect(stale).toEqual([]);
  });
});
