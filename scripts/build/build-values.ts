import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin, type Rolldown } from 'vite';
import { minifyWgslImports } from './minify-wgsl.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** How a module finds the embedded models: beside itself, above it, or on the development server. */
export type ModelLocation = 'beside-module' | 'above-module' | 'server-root';

/** The plugins that every build of `src/` as modules needs: the values of src/client/build-values.d.ts. */
export function buildValues(location: ModelLocation, options: { minify: boolean }): Plugin[] {
  return [
    inlinedWorker(options),
    embeddedFiles(urlExpressions[location]),
    ...(options.minify ? [minifyWgslImports()] : []),
  ];
}

/** Parts of the worker that are loaded when they are wanted: their files, and their entries in workers/. */
const parts = {
  vision: { file: 'vitrail.vision.js', entry: 'workers/vision.part.ts' },
  splats: { file: 'vitrail.splats.js', entry: 'workers/splats.part.ts' },
  text: { file: 'vitrail.text.js', entry: 'workers/text.part.ts' },
};

/** The scripts for pages without a bundler, by their file names in dist/. */
export const standaloneScripts: Readonly<Record<string, string>> = {
  'vitrail.iife.js': 'src/client/script-tag.ts',
  'vitrail.worker.js': 'workers/runtime.worker.ts',
  ...Object.fromEntries(Object.values(parts).map(({ file, entry }) => [file, entry])),
};

/** Bundles an entry into one classic script. */
export async function bundleScript(
  entry: string,
  options: { minify: boolean },
): Promise<{ code: string; files: string[] }> {
  const bundles = await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: 'warn',
    plugins: [
      workerOfOwnText(),
      embeddedFiles(urlBesideScript),
      ...(options.minify ? [minifyWgslImports(), withoutTemplateFormatter()] : []),
    ],
    build: {
      write: false,
      target: 'es2022',
      minify: options.minify,
      lib: {
        entry: resolve(root, entry),
        name: globalName,
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

const globalName = 'vitrail';
const workerModule = 'virtual:vitrail-worker';

/** For modules: the worker is a text inside. Bundlers may do to modules what they like without breaking it. */
function inlinedWorker(options: { minify: boolean }): Plugin {
  return {
    name: 'vitrail:inlined-worker',
    resolveId: (source) => (source === workerModule ? `\0${workerModule}` : null),
    async load(id) {
      if (id !== `\0${workerModule}`) return null;
      const entry = standaloneScripts['vitrail.worker.js'] as string;
      const { code, files } = await bundleScript(entry, options);
      for (const file of files) this.addWatchFile(file);
      return `export const workerSource = () => ${JSON.stringify(code)};`;
    },
  };
}

/** For the script tag: all of the script is one function, and its own text is the worker's, which saves a fifth of the file. */
function workerOfOwnText(): Plugin {
  const script = 'vitrailScript';
  return {
    name: 'vitrail:worker-of-own-text',
    resolveId: (source) => (source === workerModule ? `\0${workerModule}` : null),
    load: (id) =>
      id === `\0${workerModule}`
        ? `export const workerSource = () => \`self.vitrailWorker=true;(\${${script}})()\`;`
        : null,
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk' || !chunk.code.includes(script)) continue;
        chunk.code = `function ${script}(){${chunk.code}\nreturn ${globalName}}var ${globalName}=${script}();\n`;
      }
    },
  };
}

/** Jinja's `Template` holds on to what formats templates, 1.3 kB that nobody calls: a bundler drops functions, but no methods. */
function withoutTemplateFormatter(): Plugin {
  const call = 'return format(this.parsed,';
  return {
    name: 'vitrail:without-template-formatter',
    transform(code, id) {
      if (!id.includes('@huggingface/jinja')) return null;
      if (!code.includes(call)) throw new Error(`${id} has no '${call}' to leave out`);
      return code.replace(call, 'return (');
    },
  };
}

interface Manifest {
  /** The first is the default. */
  models: { file: string }[];
  detector?: { file: string };
  avatar?: { file: string };
}

/** models/index.json: what comes with the library. */
function manifest(): Manifest {
  const file = resolve(root, 'models/index.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { models: [] };
}

/** Replaced after bundling, so that no step takes the address for an asset to be copied or inlined. */
const placeholder = (name: string): string => `__VITRAIL_URL_OF_${name}__`;

function embeddedFiles(urlOf: UrlExpression): Plugin {
  const id = '\0virtual:vitrail-embedded';
  const { models, detector, avatar } = manifest();
  const files = {
    model: models[0]?.file ?? null,
    detector: detector?.file ?? null,
    avatar: avatar?.file ?? null,
  };
  // Each by itself: bundlers of pages that use the library copy a file that they find in such an address, not a folder.
  const modelUrls = Object.entries(files).map(([name, file]) => [
    name,
    file === null ? 'undefined' : urlOf(`models/${file}`),
  ]);
  const partUrls = Object.entries(parts).map(([name, { file }]) => [name, urlOf(file)]);
  const urls: Record<string, string> = Object.fromEntries([...modelUrls, ...partUrls]);
  return {
    name: 'vitrail:embedded-files',
    resolveId: (source) => (source === id.slice(1) ? id : null),
    load(requested) {
      if (requested !== id) return null;
      const isDev = this.environment.mode === 'dev';
      const object = (names: object) =>
        `{${Object.keys(names).map((name) => `${name}: ${isDev ? urls[name] : placeholder(name)}`)}}`;
      return `export const embeddedFiles = ${JSON.stringify(files)};
export const embeddedUrls = ${object(files)};
export const partUrls = ${object(parts)};`;
    },
    renderChunk: (code) =>
      code.includes('__VITRAIL_')
        ? Object.entries(urls).reduce(
            (text, [name, url]) => text.replaceAll(placeholder(name), url),
            code,
          )
        : null,
  };
}

/** The code that gives the address of a file beside the scripts: an embedded model, a part that is loaded later. */
type UrlExpression = (file: string) => string;

const urlExpressions: Record<ModelLocation, UrlExpression> = {
  'beside-module': (file) => `new URL("./${file}", import.meta.url).href`,
  'above-module': (file) => `new URL("../${file}", import.meta.url).href`,
  'server-root': (file) =>
    `(globalThis.location ? new URL("/${file}", location.href).href : undefined)`,
};

const urlBesideScript: UrlExpression = (file) =>
  `(globalThis.document?.currentScript?.src ? new URL("${file}", document.currentScript.src).href : undefined)`;
