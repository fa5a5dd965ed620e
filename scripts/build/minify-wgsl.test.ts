import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { linkedShaders } from '../../src/testing/linked-shaders.ts';
import { minifiedModules, minifyWgsl } from './minify-wgsl.ts';
import { renameWgsl, shortNames } from './shorten-wgsl.ts';

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

/** What a compiler reads, the longest first; directives whole, and where words are the language's own. */
const token =
  /\/\/#.*|@builtin\(\w+\)|(?:var|ptr)<\w+|[A-Za-z_]\w*|0[xX]\w+|\d[\d.]*(?:e[-+]?\d+)?\w*|->|&&|\|\||<<=?|>>=?|[-+*/%&|^<>=!]=|\+\+|--|\S/g;

const root = resolve(import.meta.dirname, '../../shaders');
const shaders = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.wgsl') && !file.startsWith('__'),
);

/** What the compiler reads of a text as it was written. */
function plainTokens(text: string): string[] {
  const plain = text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/(?!#).*/g, '')
    .replace(/(vec\d|mat\dx\d)<([fui])32>/g, '$1$2');
  return plain.match(token) ?? [];
}

it.each(shaders)('leaves the tokens of %s', (file) => {
  const text = readFileSync(resolve(root, file), 'utf8');
  expect(minifyWgsl(text).match(token)).toEqual(plainTokens(text));
});

it('shortens what a shader declares, and nothing else', () => {
  const text = `//#repeat T TURNS
struct Pair{first:f32,second:f32}
fn add_up(row:u32)->f32{let sum_T=weights[row].first;let step=step(sum_T,params.count);return sum_T*step;}
//#endrepeat
@compute @workgroup_size(TURNS)
fn main(@builtin(position)position:vec4f){y[0]=add_up(LANES);}`;
  const names = shortNames(
    [text],
    "{ name: 'weights', type: 'X', params: { count: 'u32' }, flags: ['row'] }",
  );
  expect(renameWgsl(text, names)).toBe(`//#repeat T TURNS
struct Pair{c:f32,e:f32}
fn b(d:u32)->f32{let a_T=weights[d].c;let step=step(a_T,params.count);return a_T*step;}
//#endrepeat
@compute @workgroup_size(TURNS)
fn main(@builtin(position)f:vec4f){y[0]=b(LANES);}`);
});

it('gives every linked shader as it was written, but for names: one for each', () => {
  const short = linkedShaders(Object.fromEntries(minifiedModules()));
  for (const [name, code] of linkedShaders()) {
    const tokens = plainTokens(code);
    const others = plainTokens(short.get(name) ?? '');
    expect([name, others.length]).toEqual([name, tokens.length]);
    const there = new Map(tokens.map((each, i) => [each, others[i]]));
    const back = new Map(others.map((each, i) => [each, tokens[i]]));
    const differing = tokens.filter(
      (each, i) => there.get(each) !== others[i] || back.get(others[i] ?? '') !== each,
    );
    expect([name, differing]).toEqual([name, []]);
  }
});
