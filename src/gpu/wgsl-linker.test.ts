import { describe, expect, it } from 'vitest';
import { linkShader } from './wgsl-linker.ts';

const library = {
  'a/main':
    '//#import lib/{which}\n//#import lib/{which}\nfn main() {\n//#if fast\n  fast();\n//#else\n  slow();\n//#endif\n}',
  'lib/one': '//#import lib/base\nfn one() {}',
  'lib/base': 'fn base() {}',
  'lib/open': '//#if x\nfn f() {}',
  'lib/endless': '//#repeat T COUNT\nfn f() {}',
  'a/repeat':
    '//#repeat T COUNT\nlet x_T = T;\n//#repeat R COUNT\nsums_T_R += at(T, R);\n//#endrepeat\n//#endrepeat\nlet T_x = TT;',
};

describe('linkShader', () => {
  it('puts a module once, after what it imports', () => {
    const text = linkShader(library, 'a/main', { choices: { which: 'one' } });
    expect(text).toBe('fn base() {}\nfn one() {}\nfn main() {\n  slow();\n}\n');
  });

  it('keeps the branch of a set flag, and the other of an unset one', () => {
    const text = linkShader(library, 'a/main', { choices: { which: 'base' }, flags: ['fast'] });
    expect(text).toContain('  fast();');
    expect(text).not.toContain('slow');
  });

  it('puts extensions first, then constants, then the header', () => {
    const text = linkShader(
      library,
      'lib/base',
      { flags: ['f16', 'subgroups'], constants: { ROWS: 4 } },
      'struct Params { rows: u32 }',
    );
    expect(text.split('\n').slice(0, 4)).toEqual([
      'enable f16;',
      'enable subgroups;',
      'const ROWS: u32 = 4u;',
      'struct Params { rows: u32 }',
    ]);
  });

  it('writes repeated lines out, in names and as numbers, also within each other', () => {
    const text = linkShader(library, 'a/repeat', { constants: { COUNT: 2 } });
    expect(text.split('\n').slice(1, -1)).toEqual([
      'let x_0 = 0u;',
      'sums_0_0 += at(0u, 0u);',
      'sums_0_1 += at(0u, 1u);',
      'let x_1 = 1u;',
      'sums_1_0 += at(1u, 0u);',
      'sums_1_1 += at(1u, 1u);',
      'let T_x = TT;',
    ]);
  });

  it('says what is wrong with a module', () => {
    expect(() => linkShader(library, 'a/none', {})).toThrow(
      "shader module 'a/none' does not exist",
    );
    expect(() => linkShader(library, 'a/main', {})).toThrow("shader choice 'which' is not given");
    expect(() => linkShader(library, 'lib/open', {})).toThrow('//#if without //#endif');
    expect(() => linkShader(library, 'a/repeat', {})).toThrow("constant 'COUNT' is not given");
    expect(() => linkShader(library, 'lib/endless', { constants: { COUNT: 1 } })).toThrow(
      '//#repeat without //#endrepeat',
    );
  });
});
