import { readFile } from 'node:fs/promises';
import type { Plugin } from 'vite';

/** Serves `*.wgsl?raw` without comments, indentation and long names: the text is a third of the bundle otherwise. */
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
 * Drops comments, indentation, line ends and spaces around punctuation and most operators; says `vec4f` for `vec4<f32>`, and a letter
 * for a name that a function declares. The
 * linker's directives (`//#if`) stay on lines of their own. Spaces stay where the text would mean something else without them: in
 * `a - -b`, `array<f32> =` and, as far as a line can tell, `a < b || c > d`.
 */
export function minifyWgsl(text: string): string {
  return shortenLocals(text.replace(/\/\*[\s\S]*?\*\/|\/\/(?!#).*/g, ' '))
    .split('\n')
    .map((line) => {
      const trimmed = line.trim();
      if (trimmed.startsWith('//#')) return trimmed;
      return trimmed
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

/** A name, or a directive of the linker. Not a field, nor what `@builtin(…)` says. */
const word = /\/\/#.*|(?<![.\w]|@builtin\()[A-Za-z_]\w*/g;
/** `U` of `key_U` is a number of `//#repeat`. */
const repeated = /(_[A-Z])*$/;

/** Function by function: each begins at a line's start, and so does its last brace. */
function shortenLocals(text: string): string {
  return text.replace(/^fn [\s\S]*?^}/gm, (source) => {
    const taken = new Set(source.match(word)?.map(baseOf));
    const letters = shortNames().filter((name) => !taken.has(name));
    const names = new Map(localsOf(source).map((name, i) => [name, letters[i] ?? name]));
    return source.replace(word, (found) => {
      const base = baseOf(found);
      return (names.get(base) ?? base) + found.slice(base.length);
    });
  });
}

function baseOf(name: string): string {
  return name.replace(repeated, '');
}

/** Parameters and variables of a function, but for those that mean something else before they are declared. */
function localsOf(source: string): string[] {
  const parameters = source.slice(0, source.indexOf('{')).matchAll(/(?<=[(,\s])(\w+)\s*:/g);
  const variables = source.matchAll(/\b(?:let|var) (\w+)/g);
  const declared = [...parameters, ...variables].map(([, name = '']) => name);
  const strangers = declared.filter((name) => {
    const first = new RegExp(`(?<![.\\w])${name}\\b`).exec(source)?.index ?? 0;
    const isUsedBefore = !/(\b(let|var)|[(,)])\s*$/.test(source.slice(0, first));
    const begins = new RegExp(`\\b(let|var) ${name}\\b[^=;]*=[^;]*(?<![.\\w])${name}\\b`);
    // A block's variable may have the name of a function that is called behind the block.
    const isCalled = new RegExp(`(?<![.\\w])${name}\\(`).test(source);
    return isUsedBefore || isCalled || begins.test(source);
  });
  const kept = new Set(strangers.map(baseOf));
  return [...new Set(declared.map(baseOf))].filter((name) => name.length > 1 && !kept.has(name));
}

function shortNames(): string[] {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  return [...letters, ...letters.flatMap((letter) => [...'0123456789'].map((n) => letter + n))];
}
