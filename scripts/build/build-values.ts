import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin, type Rolldown } from 'vite';
import { minifyWgslImports } from './minify-wgsl.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** How a script finds the embedded models: beside itself, or where the site keeps them. */
export type ModelLocation = 'beside-module' | 'beside-script' | 'above-module' | 'server-root';

/** The plugins that every build of `src/` needs: the values of src/client/build-values.d.ts. */
export function buildValues(location: ModelLocation, options: { minify: boolean }): Plugin[] {
  return [
    inlinedWorker(options),
    embeddedModel(location),
    ...(options.minify ? [minifyWgslImports()] : []),
  ];
}

/** Bundles an entry into one classic script, worker and all. */
export async function bundleScript(
  entry: string,
  options: { minify: boolean },
): Promise<{ code: string; files: string[] }> {
  const bundles = await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    plugins: buildValues('beside-script', options),
    build: {
      write: false,
      target: 'es2022',
      minify: options.minify,
      lib: {
        entry: resolve(root, entry),
        name: 'vitrail',
        formats: ['iife'],
        fileName: () => 'out.js',
      },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const [bundle] = bundles as Rolldown.RolldownOutput[];
  const chunk = bundle?.output[0];
  if (!chunk) throw new Error(`${entry} gave no output`);
  return { code: chunk.code, files: chunk.moduleIds.filter((id) => existsSync(id)) };
}

export const workerEntry = 'workers/runtime.worker.ts';
export const scriptEntry = 'src/client/script-tag.ts';

function inlinedWorker(options: { minify: boolean }): Plugin {
  const id = '\0virtual:vitrail-worker';
  return {
    name: 'vitrail:inlined-worker',
    resolveId: (source) => (source === id.slice(1) ? id : null),
    async load(requested) {
      if (requested !== id) return null;
      const { code, files } = await bundleScript(workerEntry, options);
      for (const file of files) this.addWatchFile(file);
      return `export default ${JSON.stringify(code)}`;
    },
  };
}

interface EmbeddedModel {
  name: string;
  file: string;
  bytes: number;
  description: string;
}

/** The models of models/index.json; the first is the default. */
export function embeddedModels(): EmbeddedModel[] {
  const manifest = resolve(root, 'models/index.json');
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).models : [];
}

/** Replaced after bundling, so that no step takes the address for an asset to be copied or inlined. */
const urlPlaceholder = '__VITRAIL_EMBEDDED_MODEL_URL__';

function embeddedModel(location: ModelLocation): Plugin {
  const id = '\0virtual:vitrail-embedded';
  const model = embeddedModels()[0];
  const urlExpression = model ? urlExpressions[location](model.file) : 'undefined';
  return {
    name: 'vitrail:embedded-model',
    resolveId: (source) => (source === id.slice(1) ? id : null),
    load(requested) {
      if (requested !== id) return null;
      const url = location === 'server-root' ? urlExpression : urlPlaceholder;
      return `export const embeddedModelFile = ${JSON.stringify(model?.file ?? null)};
export const embeddedModelUrl = ${url};`;
    },
    renderChunk: (code) =>
      code.includes(urlPlaceholder) ? code.replaceAll(urlPlaceholder, urlExpression) : null,
  };
}

const urlExpressions: Record<ModelLocation, (file: string) => string> = {
  'beside-module': (file) => `new URL("./models/${file}", import.meta.url).href`,
  'above-module': (file) => `new URL("../models/${file}", import.meta.url).href`,
  'beside-script': (file) =>
    `(globalThis.document?.currentScript?.src ? new URL("models/${file}", document.currentScript.src).href : undefined)`,
  'server-root': (file) =>
    `(globalThis.location ? new URL("/models/${file}", location.href).href : undefined)`,
};
