import { afterEach, describe, expect, it } from 'vitest';
import { version } from '../../package.json';
import { loadPart, type PartPlace } from './part.ts';

const place: PartPlace = { name: 'testPart', file: 'test.js', option: 'testUrl' };
const scope = globalThis as unknown as {
  testPart?: { version: string };
  importScripts?: (url: string) => void;
};

/** The address of a script that puts a part of this version into the scope. */
const scriptOf = (version: string): string =>
  `data:text/javascript,globalThis.testPart={version:"${version}"}`;

describe('a part of the worker', () => {
  afterEach(() => {
    delete scope.testPart;
    delete scope.importScripts;
  });

  it('comes from its script, once', async () => {
    const part = await loadPart(place, scriptOf(version));
    expect(part).toEqual({ version });
    expect(await loadPart(place, undefined)).toBe(part);
  });

  it('of another version is refused', async () => {
    const loading = loadPart(place, scriptOf('0.0.1'));
    await expect(loading).rejects.toMatchObject({
      code: 'network',
      fix: expect.stringMatching(/test\.js.*testUrl/),
    });
  });

  it('comes by importScripts where import fails', async () => {
    const asked: string[] = [];
    scope.importScripts = (url) => {
      asked.push(url);
      scope.testPart = { version };
    };
    const url = 'data:text/plain,nothing';
    expect(await loadPart(place, url)).toEqual({ version });
    expect(asked).toEqual([url]);
  });

  it('that is nowhere says so, with what the browser said', async () => {
    const cause = new Error('not there');
    scope.importScripts = () => {
      throw cause;
    };
    const loading = loadPart(place, 'data:text/plain,nothing');
    await expect(loading).rejects.toMatchObject({ code: 'network', cause });
  });

  it('whose place nobody tells is an invalid argument', async () => {
    await expect(loadPart(place, undefined)).rejects.toMatchObject({
      code: 'invalid-argument',
      fix: expect.stringContaining('testUrl'),
    });
  });
});
