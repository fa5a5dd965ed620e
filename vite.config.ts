import { cpSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig, type Plugin, type UserConfig, type UserConfigFnObject } from 'vite';
import {
  buildValues,
  bundleScript,
  type ModelLocation,
  standaloneScripts,
} from './scripts/build/build-values.ts';

/**
 * `vite` serves the demo. `vite build --mode library` makes the ES modules of dist/, the script-tag file and the worker;
 * `vite build --mode site` makes dist/demo, which can be hosted as it is.
 */
const config: UserConfigFnObject = defineConfig(({ command, mode }): UserConfig => {
  if (command === 'serve') return { ...site('server-root'), ...server };
  return mode === 'site' ? site('above-module') : library;
});

export default config;

const root = import.meta.dirname;

const library: UserConfig = {
  publicDir: false,
  plugins: [...buildValues('beside-module', { minify: true }), standaloneFiles(), modelFiles()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    lib: {
      entry: {
        index: 'src/index.ts',
        react: 'src/client/react/index.ts',
        elements: 'src/client/elements/index.ts',
      },
      formats: ['es'],
    },
    rolldownOptions: {
      external: [/^react(\/|$)/],
      output: { chunkFileNames: '[name].js' },
    },
  },
};

const alias = {
  'vitrail/react': resolve(root, 'src/client/react/index.ts'),
  'vitrail/elements': resolve(root, 'src/client/elements/index.ts'),
  vitrail: resolve(root, 'src/index.ts'),
};

function site(location: ModelLocation): UserConfig {
  const minify = location !== 'server-root';
  return {
    root: 'demo',
    appType: 'mpa',
    base: './',
    resolve: { alias },
    plugins: [
      ...buildValues(location, { minify }),
      standaloneFiles(),
      plainSamples(),
      modelFiles(),
    ],
    build: {
      outDir: resolve(root, 'dist/demo'),
      emptyOutDir: true,
      target: 'es2022',
      rolldownOptions: {
        input: [
          'index.html',
          'avatar.html',
          'camera.html',
          'long.html',
          'bench.html',
          'react/index.html',
        ].map((page) => resolve(root, 'demo', page)),
      },
    },
  };
}

const server: UserConfig = {
  server: { port: 5173, open: !process.env.CI, fs: { allow: [root] } },
};

/** dist/vitrail.iife.js and dist/vitrail.worker.js: the files that pages use without a bundler. */
function standaloneFiles(): Plugin {
  return {
    name: 'vitrail:standalone-files',
    async generateBundle() {
      for (const [fileName, entry] of Object.entries(standaloneScripts)) {
        const { code } = await bundleScript(entry, { minify: true });
        this.emitFile({ type: 'asset', fileName, source: code });
      }
    },
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        const name = request.url?.split('?')[0]?.slice(1) ?? '';
        const entry = standaloneScripts[name];
        if (!entry) return next();
        try {
          const { code } = await bundleScript(entry, { minify: false });
          response.setHeader('content-type', 'text/javascript');
          response.end(code);
        } catch (thrown) {
          next(thrown);
        }
      });
    },
  };
}

/** The samples that are plain HTML: served and copied as they are, beside the scripts they load. */
const samples = ['script-tag.html', 'element.html', 'csp.html', 'csp.js', 'icon.svg'];

function plainSamples(): Plugin {
  return {
    name: 'vitrail:plain-samples',
    writeBundle({ dir }) {
      for (const sample of samples)
        cpSync(resolve(root, 'demo', sample), resolve(dir ?? '', sample));
    },
  };
}

/** models/ beside the scripts, in dist and on the development server. */
function modelFiles(): Plugin {
  const folder = resolve(root, 'models');
  return {
    name: 'vitrail:model-files',
    writeBundle({ dir }) {
      const target = resolve(dir ?? '', 'models');
      mkdirSync(target, { recursive: true });
      cpSync(folder, target, { recursive: true });
    },
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        if (request.url?.startsWith('/models/')) request.url = `/@fs${root}${request.url}`;
        next();
      });
    },
  };
}
