/** What the page of `npm run bench:kernels` offers: every kernel's cases checked on this adapter, and kernels timed at the sizes of real models. */
import { Gpu } from '../../src/gpu/gpu.ts';
import type { Kernel, KernelVariant } from '../../src/gpu/kernel.ts';
import { kernelCode, kernelLabel } from '../../src/gpu/kernel-code.ts';
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

/** A case of a kernel on one of its variants. */
interface Run<Use> {
  kernel: Kernel<Use>;
  kernelCase: KernelCase<Use>;
  variant: KernelVariant<Use>;
}

/** Runs every case of every kernel on every variant that the adapter supports, where `kernel/variant` contains `filter`. */
export async function check(filter: string, maxTier: Tier): Promise<CheckReport> {
  const gpu = await Gpu.create({ maxTier });
  const runs = kernelCatalogue
    .flatMap(({ kernel, cases }) => runsOf(gpu, kernel, cases))
    .filter(({ kernel, variant }) => `${kernel.name}/${variant.name}`.includes(filter));
  // Compiling is most of the work, and drivers compile side by side. What fails is told by its run.
  for (const { kernel, kernelCase, variant } of runs) {
    const code = kernelCode(kernel, kernelCase.use, variant);
    gpu.pipeline(kernelLabel(kernel, kernelCase.use, variant), code).catch(() => undefined);
  }
  const problems: string[] = [];
  for (const { kernel, kernelCase, variant } of runs) {
    const found = await runCase(gpu, kernel, kernelCase, variant).catch((thrown) => [
      `${kernel.name}/${variant.name}: ${String(thrown)}`,
    ]);
    problems.push(...found.map((problem) => `${kernelCase.name}: ${problem}`));
  }
  gpu.dispose();
  return { runs: runs.length, problems };
}

function runsOf<Use>(gpu: Gpu, kernel: Kernel<Use>, cases: readonly KernelCase<Use>[]): Run<Use>[] {
  return cases.flatMap((kernelCase) =>
    kernel.variants
      .filter((variant) => variant.unsupported(kernelCase.use, gpu.capabilities) === null)
      .map((variant) => ({ kernel, kernelCase, variant })),
  );
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
