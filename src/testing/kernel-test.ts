import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type KernelCase, runCase } from './kernel-run.ts';

/** Runs every case on every variant that the adapter supports. A case that no variant can run fails. */
export function kernelTest<Use>(kernel: Kernel<Use>, cases: readonly KernelCase<Use>[]): void {
  describe(kernel.name, () => {
    let gpu: Gpu;
    beforeAll(async () => {
      gpu = await Gpu.create();
    });
    afterAll(() => {
      expect(gpu.stats().gpuBytes).toBe(0);
      gpu.dispose();
    });
    for (const kernelCase of cases) {
      it(kernelCase.name, async () => {
        const supported = kernel.variants.filter(
          (variant) => variant.unsupported(kernelCase.use, gpu.capabilities) === null,
        );
        expect(supported.length).toBeGreaterThan(0);
        for (const variant of supported) {
          expect(await runCase(gpu, kernel, kernelCase, variant)).toEqual([]);
        }
      });
    }
  });
}
