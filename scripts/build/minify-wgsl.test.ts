import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { minifyWgsl } from './minify-wgsl.ts';

const folder = resolve(import.meta.dirname, '../../shaders');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.wgsl') && !name.startsWith('__snapshots__'),
);

it('keeps what the compiler and the linker read', () => {
  const source = `
// A kernel.
//#import lib/grid
//#if subgroups
fn sum( a : f32, b : f32 ) -> f32 { // adds
  let d = a - -b; /* one
  two */ let v: vec2<f32> = vec2( a,  b );
  return d;
}
//#endif
`;
  expect(minifyWgsl(source)).toBe(
    [
      '//#import lib/grid',
      '//#if subgroups',
      'fn sum(a:f32,b:f32)->f32{',
      'let d=a- -b;let v:vec2<f32> =vec2(a,b);',
      'return d;',
      '}',
      '//#endif',
    ].join('\n'),
  );
});

it.each(sources)('leaves the tokens of %s as they are', (name) => {
  const source = readFileSync(resolve(folder, name), 'utf8');
  const uncommented = source.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\/\/(?!#).*$/gm, '');
  expect(tokensOf(minifyWgsl(source))).toEqual(tokensOf(uncommented));
});

/** The longest tokens first, as the compiler reads them. */
function tokensOf(text: string): string[] {
  const token =
    /\/\/#.*|\d[\w.]*(?:(?<=e)[-+]\d+)?|\w+|->|--|\+\+|&&|\|\||<<=?|>>=?|[-+*/%&|^<>=!]=|\S/g;
  return text.match(token) ?? [];
}
