import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { test as base, expect, type Page } from '@playwright/test';
import { type Fault, type Server, startServer } from '../scripts/static-server.mjs';

export { expect };

export const root: string = resolve(import.meta.dirname, '..');

/** Real models and reference answers; tests that need them skip, with this reason, where the folder is missing. */
export const dataFolder: string = resolve(root, '../shared/data');
export const lacksData: boolean = !existsSync(dataFolder);
export const lacksDataReason: string = 'the folder of real models, ../shared/data, is missing';

/** Random weights: loads in a moment and answers nonsense. */
export const tinyModel: string = '/fixtures/llama3.gguf';
/** A narrow A-YOLOM with random weights. */
export const tinyDetector: string = '/vision/a-yolom-tiny.safetensors';
/** The smaller of the models that come with the page: quick on a software adapter. */
export const embeddedModel: string = '/models/vitrail-books.gguf';

/** The built demo at `/`, the package at `/dist/`, and test files, on one server whose faults can be chosen. */
export interface Site {
  url: string;
  /** What goes wrong with the requests of a path; `number` counts them from 1. */
  faults: Map<string, (number: number) => Fault | undefined>;
  /** The Range headers of the requests of a path since the test began; null for a whole file. */
  rangesOf(path: string): (string | null)[];
}

type Fixtures = { site: Site; blank: Page };
type WorkerFixtures = { server: Server & Pick<Site, 'faults'> };

/** A page must not throw, nor leave a rejection unhandled, whatever is done to it. */
export const test: ReturnType<typeof base.extend<Fixtures, WorkerFixtures>> = base.extend<
  Fixtures,
  WorkerFixtures
>({
  server: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads here which fixtures are wanted
    async ({}, use) => {
      const faults: Site['faults'] = new Map();
      const server = await startServer({
        roots: {
          '/data/': dataFolder,
          '/fixtures/': resolve(root, 'e2e/fixtures/models'),
          '/vision/': resolve(root, 'e2e/fixtures/vision'),
          '/pages/': resolve(root, 'e2e/pages'),
          '/dist/': resolve(root, 'dist'),
          '/': resolve(root, 'dist/demo'),
        },
        fault: ({ url }) => {
          const { pathname } = new URL(url ?? '/', 'http://localhost');
          const number = server.requests.filter(({ path }) => path === pathname).length;
          return faults.get(pathname)?.(number);
        },
      });
      await use({ ...server, faults });
      await server.close();
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ server }, use) => use(server.url),
  site: async ({ server }, use) => {
    server.requests.length = 0;
    await use({
      url: server.url,
      faults: server.faults,
      rangesOf: (path) =>
        server.requests.filter((request) => request.path === path).map(({ range }) => range),
    });
    server.faults.clear();
  },
  page: async ({ page }, use) => {
    const thrown: Error[] = [];
    page.on('pageerror', (error) => thrown.push(error));
    await use(page);
    expect(thrown).toEqual([]);
  },
  blank: async ({ page }, use) => {
    await page.goto('/pages/blank.html');
    await use(page);
  },
});
