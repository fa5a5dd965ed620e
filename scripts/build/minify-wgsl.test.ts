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

it('says letters for names that a function declares', () => {
  const source = `
const size = 4u;
fn first(@builtin(position) position: vec4<f32>, rows: u32) -> u32 {
  let scale = scale[rows].size;
//#repeat U size
  let key_U = a + position.x + scale.rows;
//#endrepeat
  return rows + later;
}
fn second(later: u32) -> u32 {
  return later;
}
`;
  expect(minifyWgsl(source)).toBe(
    [
      'const size=4u;fn first(@builtin(position)b:vec4f,c:u32)->u32{let scale=scale[c].size;',
      '//#repeat U size',
      'let d_U=a+b.x+scale.rows;',
      '//#endrepeat',
      'return c+later;}fn second(a:u32)->u32{return a;}',
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

it.each(shaders)('leaves the tokens of %s but for names', (file) => {
  const text = readFileSync(resolve(root, file), 'utf8');
  const plain = text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/(?!#).*/g, '')
    .replace(/(vec\d|mat\dx\d)<([fui])32>/g, '$1$2');
  expect(plain).not.toMatch(/^fn .*}$/m);
  const after = minifyWgsl(text).match(token) ?? [];
  let at = 0;
  for (const part of plain.split(/(^fn [\s\S]*?^})/m)) {
    const before = part.match(token) ?? [];
    expectSameBut(before, after.slice(at, at + before.length), part.startsWith('fn'));
    at += before.length;
  }
  expect(after.length).toBe(at);
});

/** Within a function, names and what they became belong together one to one. */
function expectSameBut(before: string[], after: string[], isFunction: boolean): void {
  const names = new Map<string, string>();
  const meanings = new Map<string, string>();
  before.forEach((was, i) => {
    const is = after[i] ?? '';
    const isField = before[i - 1] === '.' || before[i - 2] === 'builtin';
    const isName = isFunction && !isField && /^[A-Za-z_]/.test(was);
    const expected = isName ? (names.get(was) ?? is) : was;
    expect([is, isName ? (meanings.get(is) ?? was) : was]).toEqual([expected, was]);
    if (!isName) return;
    names.set(was, is);
    meanings.set(is, was);
  });
}
