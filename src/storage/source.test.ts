import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Source } from '../types.ts';
import { locate, modelId, type RemoteLocation } from './source.ts';

const id = '0123456789abcdef0123456789abcdef';

describe('locate', () => {
  it.each<[string, Source, string, string]>([
    ['an address', 'https://a.example/m/x.gguf', 'https://a.example/m/x.gguf', 'x.gguf'],
    ['a URL', new URL('https://a.example/x.gguf#top'), 'https://a.example/x.gguf', 'x.gguf'],
    ['an escaped name', 'http://a.example/a%20b.gguf', 'http://a.example/a%20b.gguf', 'a b.gguf'],
    ['a lone %', 'http://a.example/5%.gguf', 'http://a.example/5%.gguf', '5%.gguf'],
    ['no file name', 'https://a.example/', 'https://a.example/', 'a.example'],
    [
      'a file of the hub',
      { repo: 'owner/name', file: 'sub folder/x.gguf' },
      'https://huggingface.co/owner/name/resolve/main/sub%20folder/x.gguf',
      'x.gguf',
    ],
    [
      'a revision of it',
      { repo: 'owner/name', file: 'x.gguf', revision: 'refs/pr/1' },
      'https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/x.gguf',
      'x.gguf',
    ],
    [
      'its short form',
      'hf:owner/na.me/sub/x.gguf',
      'https://huggingface.co/owner/na.me/resolve/main/sub/x.gguf',
      'x.gguf',
    ],
  ])('%s', async (_, source, url, name) => {
    expect(await locate(source)).toEqual({ kind: 'remote', url, name });
  });

  it('a model of the store', async () => {
    expect(await locate(`store:${id}`)).toEqual({ kind: 'stored', id });
  });

  it('a File has its name, a Blob and an ArrayBuffer have none', async () => {
    expect(await locate(new File(['abc'], 'x.gguf'))).toMatchObject({
      kind: 'local',
      name: 'x.gguf',
      source: { size: 3 },
    });
    expect(await locate(new Blob(['abc']))).toMatchObject({ kind: 'local', name: 'model' });
    expect(await locate(new ArrayBuffer(3))).toMatchObject({ kind: 'local', source: { size: 3 } });
  });

  it('data: and blob: addresses are read at once, since they end with the page', async () => {
    const blob = URL.createObjectURL(new Blob(['abc']));
    for (const url of ['data:text/plain,abc', blob]) {
      expect(await locate(url)).toMatchObject({ kind: 'local', source: { size: 3 } });
    }
  });

  it.each<[string, unknown]>([
    ['no address', 'x.gguf'],
    ['an empty text', ''],
    ['a local path', 'file:///home/x.gguf'],
    ['a script', 'javascript:alert(1)'],
    ['half a hub address', 'hf:owner/name'],
    ['a repository without owner', { repo: 'name', file: 'x.gguf' }],
    ['a path that climbs', { repo: 'owner/name', file: '../../x.gguf' }],
    ['no file', { repo: 'owner/name' }],
    ['a number for a file', { repo: 'owner/name', file: 3 }],
    ['an empty revision', { repo: 'owner/name', file: 'x.gguf', revision: '' }],
    ['an id that is none', 'store:abc'],
    ['null', null],
    ['a number', 5],
    ['an empty object', {}],
  ])('%s is an invalid argument', async (_, source) => {
    await expect(locate(source as Source)).rejects.toMatchObject({
      code: 'invalid-argument',
      where: 'source/locate',
      fix: expect.stringContaining('Pass an https: address'),
    });
  });

  describe('on a page', () => {
    afterEach(() => vi.unstubAllGlobals());

    it('takes relative addresses', async () => {
      vi.stubGlobal('location', { href: 'https://a.example/demo/', origin: 'https://a.example' });
      expect(await locate('../models/x.gguf')).toMatchObject({
        url: 'https://a.example/models/x.gguf',
      });
    });
  });
});

describe('modelId', () => {
  const remote = (url: string): RemoteLocation => ({ kind: 'remote', url, name: 'x' });

  it('differs by address and by quantization', async () => {
    const ids = await Promise.all([
      modelId(remote('https://a.example/x'), undefined),
      modelId(remote('https://a.example/y'), undefined),
      modelId(remote('https://a.example/x'), 'q8_0'),
    ]);
    expect(new Set(ids).size).toBe(3);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(await modelId(remote('https://a.example/x'), undefined)).toBe(ids[0]);
  });

  it('tells files of one name and date apart by either end', async () => {
    const bytes = new Uint8Array(300_000);
    const fileId = (change: (copy: Uint8Array) => void): Promise<string> => {
      const copy = bytes.slice();
      change(copy);
      return idOf(new File([copy], 'x.gguf', { lastModified: 1 }));
    };
    const same = await fileId(() => {});
    expect(await fileId(() => {})).toBe(same);
    expect(await fileId((copy) => copy.fill(1, 0, 1))).not.toBe(same);
    expect(await fileId((copy) => copy.fill(1, 299_999))).not.toBe(same);
    expect(await idOf(new File([bytes], 'x.gguf', { lastModified: 2 }))).not.toBe(same);
  });

  it('knows a nameless file by all of its bytes', async () => {
    const bytes = new Uint8Array(9 * 2 ** 20);
    const changed = bytes.slice();
    changed[5 * 2 ** 20] = 1;
    const [first, again, other] = [bytes.buffer, bytes.slice().buffer, changed.buffer];
    expect(await idOf(again)).toBe(await idOf(first));
    expect(await idOf(other)).not.toBe(await idOf(first));
    expect(await idOf(new Blob([other]))).toBe(await idOf(other));
  });
});

async function idOf(source: Source): Promise<string> {
  const location = await locate(source);
  if (location.kind === 'stored') throw new Error('a stored model');
  return modelId(location, undefined);
}
