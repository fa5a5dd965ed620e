import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { Source } from '../types.ts';
import { wireSource } from './source.ts';

const page = 'https://example.com/app/index.html';

describe('a source on its way to the worker', () => {
  it('becomes an absolute URL where it was relative to the page', () => {
    expect(wireSource('models/a.gguf', page)).toBe('https://example.com/app/models/a.gguf');
    expect(wireSource('/b.gguf', page)).toBe('https://example.com/b.gguf');
    expect(wireSource(new URL('https://cdn.example/c.gguf'), page)).toBe(
      'https://cdn.example/c.gguf',
    );
  });

  it('stays what it is where it is no address', () => {
    expect(wireSource('hf:owner/name/file.gguf', page)).toBe('hf:owner/name/file.gguf');
    expect(wireSource('store:1a2B', page)).toBe('store:1a2B');
    const file = new Blob(['GGUF']);
    expect(wireSource(file, page)).toBe(file);
    expect(wireSource({ repo: 'owner/name', file: 'f.gguf' }, page)).toEqual({
      repo: 'owner/name',
      file: 'f.gguf',
    });
  });

  it.each([
    ['a relative address outside a page', 'models/a.gguf', undefined],
    ['no source at all', null as unknown as Source, page],
    ['a number', 7 as unknown as Source, page],
    ['a repository without a file', { repo: 'owner/name' } as unknown as Source, page],
  ])('rejects %s', (_name, source, base) => {
    expect(() => wireSource(source, base)).toThrow(VitrailError);
  });
});
