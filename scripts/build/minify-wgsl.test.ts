import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { minifyWgsl } from './minify-wgsl.ts';

it('keeps what the compiler and the linker read', () => {
  const source = `
// A kernel.
//#import lib/grid
//#if subgroups
fn sum( a : f32, b : f32 ) -> f32 { // adds
  let d = a - -b; /* one
  two */ let v: vec2<f32> = vec2( a,  b );
  return d * ( a + b ) == array<f32> - d;
}
//#endif
`;
  expect(minifyWgsl(source)).toBe(
    [
      '//#import lib/grid',
      '//#if subgroups',
      'fn sum(a:f32,b:f32)->f32{let d=a - -b;let v:vec2f=vec2(a,b);return d*(a+b)==array<f32> - d;}',
      '//#endif',
    ].join('\n'),
  );
});

/** What a compiler reads, the longest first; directives whole. */
const token =
  /\/\/#.*|[A-Za-z_]\w*|(?:0[xX])?[\d.]+(?:e[-+]?\d+)?[a-zA-Z]*|->|&&|\|\||<<=?|>>=?|[-+*/%&|^<>=!]=|\+\+|--|\S/g;

const root = resolve(import.meta.dirname, '../../shaders');
const shaders = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.wgsl') && !file.startsWith('__'),
);

it.each(shaders)('leaves the tokens of %s', (file) => {
  const text = readFileSync(resolve(root, file), 'utf8');
  const plain = text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/(?!#).*/g, '')
    .replace(/(vec\d|mat\dx\d)<([fui])32>/g, '$1$2');
  expect(minifyWgsl(text).match(token)).toEqual(plain.match(token));
});
