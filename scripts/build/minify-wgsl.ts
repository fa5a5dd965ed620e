import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Plugin } from 'vite';
import { renameWgsl, shortNames } from './shorten-wgsl.ts';

const root = resolve(import.meta.dirname, '../..');

/** Serves `*.wgsl?raw` without comments and indentation, by short names: the text is a third of the bundle otherwise. */
export function minifyWgslImports(): Plugin {
  const modules = minifiedModules();
  return {
    name: 'vitrail:minify-wgsl',
    enforce: 'pre',
    load(id) {
      const [path = '', query] = id.split('?');
      if (query !== 'raw' || !path.endsWith('.wgsl')) return null;
      this.addWatchFile(path);
      return `export default ${JSON.stringify(modules.get(modulePath(path)))}`;
    },
  };
}

/** All modules, by their paths without the ending: `matmul/matvec`. */
export function minifiedModules(): Map<string, string> {
  const modules = filesOf('shaders', '.wgsl').map(([file, text]): [string, string] => [
    modulePath(file),
    minifyWgsl(text),
  ]);
  const typeScript = filesOf('src', '.ts')
    .map(([, text]) => text)
    .join('\n');
  const names = shortNames(
    modules.map(([, text]) => text),
    typeScript,
  );
  return new Map(modules.map(([path, text]) => [path, renameWgsl(text, names)]));
}

/** Paths and texts of the files of a folder, tests and snapshots left out. */
function filesOf(folder: string, ending: string): [string, string][] {
  const files = readdirSync(resolve(root, folder), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith(ending) && !/^__|(test|ref)\.ts$|^testing/.test(file))
    .map((file) => [`/${folder}/${file}`, readFileSync(resolve(root, folder, file), 'utf8')]);
}

function modulePath(file: string): string {
  return file.replaceAll('\\', '/').replace(/^.*\/shaders\/|\.wgsl$/g, '');
}

/**
 * Drops comments, indentation, line ends and spaces around punctuation and most operators; says `vec4f` for `vec4<f32>`. The
 * linker's directives (`//#if`) stay on lines of their own. Spaces stay where the text would mean something else without them: in
 * `a - -b`, `array<f32> =` and, as far as a line can tell, `a < b || c > d`.
 */
export function minifyWgsl(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .split('\n')
    .map((line) => {
      const trimmed = line.trim();
      if (trimmed.startsWith('//#')) return trimmed;
      return trimmed
        .replace(/\/\/.*$/, '')
        .replace(/\s+/g, ' ')
        .replace(/ ?([,;(){}[\]:]) ?/g, '$1')
        .replace(/\b(vec\d|mat\dx\d)<([fui])32>/g, '$1$2')
        .replace(/ ?-> ?/g, '->')
        .replace(/(?<=[\w\])]) ?([-+*/%&|^=!]?=|&&|\|\||[-+*/%&|^]) ?(?=[\w(!])/g, '$1')
        .trim();
    })
    .map((line) => (/<.*>|^\/\/#/.test(line) ? line : line.replace(/ ?([<>]{1,2}=?) ?/g, '$1')))
    .filter(Boolean)
    .join('\n')
    .replace(/(?<=^(?!\/\/#).*[;{},()=+*|&])\n(?!\/\/#)/gm, '');
}
