/**
 * Checks what a linter cannot: every kernel has its four files, formats are named in one place, imports point down the layers
 * and make no cycle. Prints what is wrong, a line each.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

const problems = [...kernelProblems(), ...formatProblems(), ...layerProblems(), ...cycleProblems()];
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
    if (folder === 'quant') need(`src/quant/${stem}.ts`, shader);
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

/** From the bottom to the top; folders in one row may not import each other. */
function layerProblems() {
  const rows = [
    ['errors.ts', 'types.ts'],
    ['gpu'],
    ['quant'],
    ['kernels'],
    ['formats'],
    ['attention', 'tokenizer', 'storage'],
    ['models'],
    ['runtime'],
    ['rpc'],
    ['client'],
    ['index.ts'],
  ];
  const rankOf = new Map(rows.flatMap((row, rank) => row.map((name) => [name, rank])));
  const layerOf = (path) => path.split('/')[1];
  return importsOf('src').flatMap(({ from, to }) => {
    const [lower, upper] = [layerOf(to), layerOf(from)];
    if (lower === upper || upper === 'testing' || isTest(from) || isEntry(from)) return [];
    if (lower === 'testing') return [`${from} imports ${to}: product code must not import testing`];
    const allowed = (rankOf.get(lower) ?? -1) < (rankOf.get(upper) ?? -1);
    return allowed ? [] : [`${from} imports ${to}: layers point down only`];
  });
}

/** The script tag's entry puts everything together, the public entry included. */
function isEntry(path) {
  return path === 'src/client/script-tag.ts';
}

function isTest(path) {
  return /\.(test|ref)\.ts$|\/test-[\w-]+\.ts$/.test(path);
}

function cycleProblems() {
  const edges = new Map();
  for (const { from, to, isType } of importsOf('src')) {
    if (!isType) edges.set(from, [...(edges.get(from) ?? []), to]);
  }
  const state = new Map();
  const found = [];
  const visit = (path, trail) => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push(`import cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`);
      return;
    }
    state.set(path, 'open');
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

/** Relative imports of TypeScript files; an import of types alone makes no cycle at run time. */
function importsOf(folder) {
  return filesBelow(folder)
    .filter((path) => /\.tsx?$/.test(path))
    .flatMap((from) =>
      [
        ...readFileSync(from, 'utf8').matchAll(
          /^(?:import|export)\s+(type\s)?[^'"]*?from '(\.[^']+)'/gms,
        ),
      ].map(([, isType, to]) => ({
        from,
        to: normalize(join(dirname(from), to)),
        isType: Boolean(isType),
      })),
    );
}
