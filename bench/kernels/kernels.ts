/** What the page of `npm run bench:kernels` offers: every kernel's cases checked on this adapter, and kernels timed at the sizes of real models. */
import { Gpu } from '../../src/gpu/gpu.ts';
import type { Kernel } from '../../src/gpu/kernel.ts';
import { kernelCatalogue } from '../../src/testing/kernel-catalogue.ts';
import { type KernelCase, runCase } from '../../src/testing/kernel-run.ts';
import type { Tier } from '../../src/types.ts';
import { timeKernel } from './time-kernel.ts';

export { timeAttention } from './time-attention.ts';
export { profileDecoder, timeDecoder } from './time-decoder.ts';

import { timedKernels } from './timed-kernels.ts';
import { type FrameTime, timedConvolutions, timeNetwork } from './timed-network.ts';

export interface CheckReport {
  runs: number;
  problems: string[];
}

/** Runs every case of every kernel on every variant that the adapter supports, where `kernel/variant` contains `filter`. */
export async function check(filter: string, maxTier: Tier): Promise<CheckReport> {
  const gpu = await Gpu.create({ maxTier });
  const report: CheckReport = { runs: 0, problems: [] };
  for (const { kernel, cases } of kernelCatalogue) {
    await checkKernel(gpu, kernel, cases, filter, report);
  }
  gpu.dispose();
  return report;
}

async function checkKernel<Use>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  cases: readonly KernelCase<Use>[],
  filter: string,
  report: CheckReport,
): Promise<void> {
  const variants = kernel.variants.filter(({ name }) => `${kernel.name}/${name}`.includes(filter));
  for (const kernelCase of cases) {
    for (const variant of variants) {
      if (variant.unsupported(kernelCase.use, gpu.capabilities) !== null) continue;
      report.runs += 1;
      const problems = await runCase(gpu, kernel, kernelCase, variant).catch((thrown) => [
        `${kernel.name}/${variant.name}: ${String(thrown)}`,
      ]);
      report.problems.push(...problems.map((problem) => `${kernelCase.name}: ${problem}`));
    }
  }
}

/** Times the kernels whose title contains one of `filters`, variants named alone or the chosen ones; each time goes to the console as JSON. */
export async function time(
  filters: readonly string[],
  maxTier: Tier,
  variants: readonly string[] | 'chosen',
  tokens: number,
): Promise<void> {
  const gpu = await Gpu.create({ maxTier });
  const layers = ['n', 's'].flatMap((network) => timedConvolutions(network, gpu.capabilities));
  for (const timed of [...timedKernels(tokens), ...layers]) {
    if (!filters.some((filter) => timed.title.includes(filter))) continue;
    for await (const time of timeKernel(gpu, timed, variants)) console.info(JSON.stringify(time));
  }
  gpu.dispose();
}

/** Times a frame of a network of convolutions, `n` or `s`. */
export async function timeFrame(network: string, maxTier: Tier): Promise<FrameTime> {
  const gpu = await Gpu.create({ maxTier });
  const time = await timeNetwork(gpu, network);
  gpu.dispose();
  return time;
}
