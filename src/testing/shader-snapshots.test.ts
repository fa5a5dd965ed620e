import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { linkedShaders } from './linked-shaders.ts';

const folder = fileURLToPath(new URL('../../shaders/__snapshots__/', import.meta.url));

/**
 * What the GPU sees is committed, so that a review sees it too. After a change of a kernel that is meant:
 * `npx vitest run --project node src/testing/shader-snapshots --update`.
 */
describe('linked shaders', () => {
  const shaders = linkedShaders();

  it.each([...shaders])('%s', async (name, code) => {
    await expect(code).toMatchFileSnapshot(`${folder}${name}`);
  });

  it('has no snapshot of a variant that is gone', () => {
    const stale = readdirSync(folder).filter((name) => !shaders.has(name));
    expect(stale).toEqual([]);
  });
});
