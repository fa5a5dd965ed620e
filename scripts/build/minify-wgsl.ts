import { readFile } from 'node:fs/promises';
import type { Plugin } from 'vite';

/** Serves `*.wgsl?raw` without comments and indentation: the text is a third of the bundle otherwise. */
export function minifyWgslImports(): Plugin {
  return {
    name: 'vitrail:minify-wgsl',
    enforce: 'pre',
    async load(id) {
      const [path, query] = id.split('?');
      if (query !== 'raw' || !path?.endsWith('.wgsl')) return null;
      this.addWatchFile(path);
      return `export default ${JSON.stringify(minifyWgsl(await readFile(path, 'utf8')))}`;
    },
  };
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
