import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type Capabilities, featuresOfTier, tierOf } from '../gpu/capabilities.ts';
import { chooseVariant } from '../gpu/kernel.ts';
import { architectures } from '../models/registry.ts';
import { groupElements, rowLayout } from '../quant/format.ts';
import { quantFormats } from '../quant/registry.ts';
import type { Tier } from '../types.ts';
import { kernelCatalogue } from './kernel-catalogue.ts';

const page = fileURLToPath(new URL('../../docs/support.md', import.meta.url));
const tiers: Tier[] = ['A', 'B', 'C', 'D'];

/** `npx vitest run --project node src/testing/support-table --update` makes docs/support.md anew. */
it('docs/support.md says what the code supports', async () => {
  const sections = [
    '# What is supported',
    'Made from the registries by `src/testing/support-table.test.ts`; not to be edited.',
    '## Architectures',
    architectures.map(({ name }) => `\`${name}\``).join(', '),
    '## Storage formats',
    table(['format', 'bits a weight in the file', 'on the GPU', 'made on load'], formatRows()),
    '## Kernels by tier',
    `The variants that hardware of a tier runs, over all test cases, and those of software adapters. A GPU with subgroups of 32,
256 invocations a workgroup and 32 KiB of workgroup storage is assumed.`,
    table(['kernel', ...tiers.map((tier) => `tier ${tier}`), 'software'], kernelRows()),
  ];
  await expect(`${sections.join('\n\n')}\n`).toMatchFileSnapshot(page);
});

function formatRows(): string[][] {
  return quantFormats.map((format) => {
    const columns = 128 * groupElements;
    const onGpu = (rowLayout(format, columns).rowBytes * 8) / columns;
    const inFile = (format.blockBytes * 8) / format.blockElements;
    const made = format.quantize && format.blockElements > 1 ? 'yes' : '';
    return [format.name.toUpperCase(), String(inFile), onGpu.toFixed(2), made];
  });
}

function kernelRows(): string[][] {
  const columns = [...tiers.map((tier) => capabilities(tier, false)), capabilities('C', true)];
  return kernelCatalogue.map(({ kernel, cases }) => [
    kernel.name,
    ...columns.map((column) => {
      const used = cases.map(({ use }) => chosen(() => chooseVariant(kernel, use, column).name));
      return [...new Set(used)].sort().join(', ');
    }),
  ]);
}

/** Some cases are meant for variants that a tier lacks. */
function chosen(choose: () => string): string {
  try {
    return choose();
  } catch {
    return '(none for some uses)';
  }
}

function capabilities(tier: Tier, software: boolean): Capabilities {
  const features = new Set(featuresOfTier(tier));
  expect(tierOf(features)).toBe(tier);
  const subgroups = features.has('subgroups');
  const size = software ? 4 : 32;
  return {
    tier,
    software,
    subgroups,
    f16: features.has('shader-f16'),
    subgroupMatrix: tier === 'A',
    timestamps: true,
    packedDot: true,
    minSubgroupSize: subgroups ? size : 0,
    maxSubgroupSize: subgroups ? size : 0,
    workgroupStorageBytes: 32_768,
    workgroupInvocations: 256,
    maxBufferBytes: 2 ** 30,
    maxBindingBytes: 2 ** 30,
  };
}

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
