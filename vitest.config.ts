import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Tests of kernels and of anything else that needs a GPU run in Chromium on its software adapter. */
const gpuTests = ['src/**/*.gpu.test.ts', 'src/kernels/*.test.ts'];
const chromium = [process.env.CHROME_PATH, '/usr/bin/chromium'].find(
  (path) => path && existsSync(path),
);

/** Real models and reference answers; tests that need them skip where the folder is missing. */
const data = fileURLToPath(new URL('../shared/data', import.meta.url));
const define = { __VITRAIL_DATA__: JSON.stringify(existsSync(data) ? data : null) };

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: gpuTests,
        },
      },
      {
        define,
        server: { fs: { allow: ['.', data] } },
        test: {
          name: 'gpu',
          include: gpuTests,
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                ...(chromium ? { executablePath: chromium } : {}),
                args: [
                  '--no-sandbox',
                  '--enable-unsafe-webgpu',
                  '--use-webgpu-adapter=swiftshader',
                  '--disable-quic',
                  '--no-first-run',
                  '--disable-background-networking',
                  '--disable-component-update',
                  '--disable-sync',
                ],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
});

export default config;
