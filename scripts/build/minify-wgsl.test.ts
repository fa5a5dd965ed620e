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
  return d;
}
//#endif
`;
  expect(minifyWgsl(source)).toBe(
    [
      '//#import lib/grid',
      '//#if subgroups',
      'fn sum(a:f32,b:f32)-> f32{',
      'let d = a - -b;let v:vec2<f32> = vec2(a,b);',
      'return d;',
      '}',
      '//#endif',
    ].join('\n'),
  );
});
