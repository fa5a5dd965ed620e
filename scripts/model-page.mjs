/** Opens the page in which scripts run a model of this computer: the built library, and nothing else. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { launchBrowser } from './browser.mjs';
import { startServer } from './static-server.mjs';

/**
 * @param {{ model: string, dist: string, gpu: boolean }} options `dist`: from the repository's root.
 * Throws where there is no such file.
 */
export async function openModelPage({ model, dist, gpu }) {
  if (!existsSync(model)) throw new Error(`There is no file '${model}'.`);
  const root = resolve(import.meta.dirname, '..');
  const server = await startServer({
    roots: {
      '/model.gguf': resolve(model),
      '/page.html': resolve(root, 'scripts/ask.html'),
      '/': resolve(root, dist),
    },
  });
  const browser = await launchBrowser({ gpu });
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return {
    page,
    pageUrl: `${server.url}/page.html`,
    modelUrl: `${server.url}/model.gguf`,
    browser,
    close,
  };
}
