import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { MetadataValue } from '../formats/header.ts';
import { chooseMoh, mohConfig } from './moh.ts';

function configOf(values: Record<string, MetadataValue>) {
  const entries = Object.entries(values).map(
    ([key, value]) => [`vitrail.moh.${key}`, value] as const,
  );
  return mohConfig({ metadata: new Map(entries) }, 8);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    return thrown instanceof VitrailError ? thrown.code : 'other';
  }
  return 'fine';
}

describe('mohConfig', () => {
  it('reads the router of a file, and its absence', () => {
    const file = { router: 'learned', shared_heads: 4, active_heads: 6 };
    expect(configOf(file)).toEqual({ router: 'learned', sharedHeads: 4, activeHeads: 6 });
    expect(configOf({ ...file, router: 'query-norm' })?.router).toBe('query-norm');
    expect(configOf({})).toBeNull();
  });

  it.each([
    [{ router: 'entropy', shared_heads: 4, active_heads: 6 }, 'model-unsupported'],
    [{ router: 'learned', shared_heads: 0, active_heads: 6 }, 'model-corrupt'],
    [{ router: 'learned', shared_heads: 4, active_heads: 4 }, 'model-corrupt'],
    [{ router: 'learned', shared_heads: 4, active_heads: 9 }, 'model-corrupt'],
    [{ router: 'learned', shared_heads: 4 }, 'model-corrupt'],
  ])('refuses %o', (values, code) => {
    expect(codeOf(() => configOf(values))).toBe(code);
  });
});

describe('chooseMoh', () => {
  const own = { router: 'learned', sharedHeads: 4, activeHeads: 6 } as const;

  it('takes the model as it was trained, another number, or every head', () => {
    expect(chooseMoh(own, 8, undefined)).toEqual(own);
    expect(chooseMoh(own, 8, {})).toEqual(own);
    expect(chooseMoh(own, 8, { activeHeads: 5 })).toEqual({ ...own, activeHeads: 5 });
    expect(chooseMoh(own, 8, false)).toEqual({ ...own, activeHeads: 8 });
    expect(chooseMoh({ ...own, router: 'query-norm' }, 8, false)).toBeNull();
    expect(chooseMoh(null, 8, undefined)).toBeNull();
    expect(chooseMoh(null, 8, false)).toBeNull();
  });

  it('refuses what the model cannot do', () => {
    for (const activeHeads of [4, 9, 5.5, Number.NaN]) {
      expect(codeOf(() => chooseMoh(own, 8, { activeHeads }))).toBe('invalid-argument');
    }
    expect(codeOf(() => chooseMoh(null, 8, { activeHeads: 6 }))).toBe('invalid-argument');
  });
});
