import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { ensureChromium, softwareAdapterFlags } from './scripts/chromium.mjs';

/**
 * Tests of kernels and of anything else that needs a GPU run in Chromium on its software adapter, which compiles shaders on one core:
 * `npm test` has two browsers at once. Each gets half of the work, by what was measured: what sees and what draws goes with the kernels.
 */
const kernelTests = [
  'src/kernels/*.test.ts',
  'src/vision/*.gpu.test.ts',
  'src/splats/*.gpu.test.ts',
];
const gpuTests = ['src/**/*.gpu.test.ts', 'bench/**/*.gpu.test.ts'];

/** Real models and reference answers; tests that need them skip where the folder is missing. */
const data = fileURLToPath(new URL('../shared/data', import.meta.url));
const define = { __VITRAIL_DATA__: JSON.stringify(existsSync(data) ? data : null) };

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
          exclude: [...kernelTests, ...gpuTests],
        },
      },
      // Their files leave nothing behind: one page takes them all, and loads modules once.
      inChromium('kernels', kernelTests, { isolate: false }),
      inChromium('gpu', gpuTests, { exclude: kernelTests }),
    ],
  },
});

/** A project of tests that run in one browser, file by file. Each has a cache of its own, since `npm test` runs both at once. */
function inChromium(
  name: string,
  include: string[],
  settings: { exclude?: string[]; isolate?: boolean },
): object {
  return {
    // A copy: Vitest takes out of it what it reads.
    define: { ...define },
    cacheDir: `node_modules/.vite-${name}`,
    server: { fs: { allow: ['.', data] } },
    test: {
      name,
      include,
      ...settings,
      fileParallelism: false,
      // Shaders of hardware's variants take seconds to compile on a software adapter, more beside another browser.
      testTimeout: 60_000,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({
          launchOptions: { executablePath: ensureChromium(), args: softwareAdapterFlags },
        }),
        instances: [{ browser: 'chromium' }],
      },
    },
  };
}

export default config;
