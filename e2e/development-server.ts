import { resolve } from 'node:path';
import { createServer, type ViteDevServer } from 'vite';
import { root } from './site.ts';

/** Serves the demo with React's development build. Its cache is its own: other servers may prepare their modules meanwhile. */
export async function startDevelopmentServer(port: number): Promise<ViteDevServer> {
  const server = await createServer({
    configFile: resolve(root, 'vite.config.ts'),
    cacheDir: resolve(root, `node_modules/.vite-${port}`),
    logLevel: 'error',
    server: { port, open: false, watch: null, hmr: false },
  });
  return server.listen();
}
