/**
 * Puts the declarations of the public entry together in one file, docs/api.d.ts, so that a change of the public interface shows in a
 * review. `--check` fails where the committed file is not what the build gives.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';

const types = resolve(import.meta.dirname, '../dist/types');
const target = resolve(import.meta.dirname, '../docs/api.d.ts');

const header =
  '// The public interface of `vitrail`. Made by `npm run docs:api` from the build; not to be edited.\n';
const api = [header, ...modulesOf('index.d.ts').map(declarations)].join('\n');

if (!process.argv.includes('--check')) writeFileSync(target, api);
else if (readFileSync(target, 'utf8') !== api) {
  console.error(
    'docs/api.d.ts is not current: `npm run docs:api` makes it anew. Review what changed.',
  );
  process.exit(1);
}

/** The modules that an entry re-exports, in its order. */
function modulesOf(entry) {
  const text = readFileSync(join(types, entry), 'utf8');
  return [...text.matchAll(/^export .* from '(.+)\.ts';$/gm)].map(([, path]) =>
    normalize(join(dirname(entry), `${path}.d.ts`)),
  );
}

/** A module's declarations without its imports: in one file they see each other. */
function declarations(path) {
  const text = readFileSync(join(types, path), 'utf8');
  return `// ${path}\n\n${text.replace(/^import [^;]+;\n/gm, '')}`;
}
