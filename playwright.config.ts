import { defineConfig, type PlaywrightTestConfig } from '@playwright/test';
import { ensureChromium, softwareAdapterFlags } from './scripts/chromium.mjs';

/**
 * End-to-end tests run on the built dist/, in Chromium with its software adapter, two files at once: one keeps one core busy, mostly by
 * compiling shaders.
 */
const config: PlaywrightTestConfig = defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 30_000 },
  retries: process.env.CI ? 1 : 0,
  forbidOnly: Boolean(process.env.CI),
  use: {
    actionTimeout: 15_000,
    browserName: 'chromium',
    launchOptions: { executablePath: ensureChromium(), args: softwareAdapterFlags },
    viewport: { width: 1280, height: 800 },
  },
});

export default config;
