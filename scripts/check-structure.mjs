/**
 * Checks what the linter cannot: every kernel has its four files, and storage formats are named in one place. (Layers and import
 * cycles: biome.json.) Prints what is wrong, a line each.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const problems = [...kernelProblems(), ...formatProblems()];
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'structure: fine' : `structure: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);

/** Files below a folder by their paths from the root. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Shader, binding, reference and test stand together under one stem; a format has its TypeScript and its WGSL. */
function kernelProblems() {
  const sources = new Set(filesBelow('src'));
  const shaders = filesBelow('shaders').filter(
    (path) => path.endsWith('.wgsl') && !path.includes('__snapshots__'),
  );
  const found = [];
  const need = (path, because) =>
    sources.has(path) || found.push(`${path} is missing: ${because} needs it`);
  const stems = new Set();
  for (const shader of shaders) {
    const stem = basename(shader, '.wgsl');
    const folder = basename(dirname(shader));
    if (folder === 'lib') continue;
    // What draws frames on a page's canvas has textures for input, which no kernel has: src/vision/live-screen.ts binds it.
    if (folder === 'screen') continue;
    if (folder === 'quant-half' && stem === 'rounded') continue;
    if (folder.startsWith('quant')) need(`src/quant/${stem}.ts`, shader);
    else
      for (const ending of ['.ts', '.ref.ts', '.test.ts'])
        need(`src/kernels/${stem}${ending}`, shader);
    stems.add(stem);
  }
  for (const path of sources) {
    const stem = /^src\/kernels\/([\w-]+)\.ref\.ts$/.exec(path)?.[1];
    if (stem && !stems.has(stem)) found.push(`shaders/*/${stem}.wgsl is missing: ${path} needs it`);
  }
  return found;
}

/** A storage format's name stands in its own files, in the registry and in tests; the API names the two of quantization on load. */
function formatProblems() {
  const allowed = /^src\/(quant|testing)\/|^src\/types\.ts$|\.(test|ref)\.ts$|test-models\.ts$/;
  const formats = filesBelow('src/quant')
    .map((path) => basename(path, '.ts'))
    .filter((name) => /^i?q\d/.test(name));
  const pattern = new RegExp(`['"\`](${formats.join('|')})['"\`]`);
  return filesBelow('src')
    .filter((path) => !allowed.test(path) && pattern.test(codeOf(path)))
    .map((path) => `${path} names a storage format: only src/quant may`);
}

/** A file without its comments. */
function codeOf(path) {
  return readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
