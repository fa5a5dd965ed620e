import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Server, startServer } from '../scripts/static-server.mjs';
import { expect, root, test } from './site.ts';

/** What a stranger gets: the tarball of `npm pack`, installed in folders outside this repository. */
let folder: string;
let tarball: string;

test.beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'vitrail-package-')));
  const packed = npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder);
  tarball = join(folder, JSON.parse(packed)[0].filename);
});
test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

function npm(cwd: string, ...options: string[]): string {
  return execFileSync('npm', options, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A project of its own with the tarball installed and these files in it. */
function consumer(name: string, files: Record<string, string>): string {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name, private: true, type: 'module' }),
  );
  npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);
  return project;
}

const answering = `
  const runtime = await createRuntime();
  const model = await runtime.loadModel();
  for await (const { text } of model.chat([{ role: 'user', content: 'It was a dark evening' }], { maxTokens: 8 })) {
    document.querySelector('p')!.textContent += text;
  }
  document.title = model.info.name;`;

async function expectAnswer(page: import('@playwright/test').Page, folder: string): Promise<void> {
  let server: Server | undefined;
  try {
    server = await startServer({ roots: { '/': folder } });
    await page.goto(server.url);
    await expect(page).toHaveTitle('Vitrail Small');
    await expect(page.locator('p')).not.toBeEmpty();
  } finally {
    await server?.close();
  }
}

test('a Vite project builds with it and answers with the embedded model', async ({ page }) => {
  const project = consumer('vite', {
    'index.html':
      '<!doctype html><title>…</title><p></p><script type="module" src="main.ts"></script>',
    'main.ts': `import { createRuntime } from 'vitrail';\n${answering}\nexport {};`,
  });
  execFileSync(process.execPath, [resolve(root, 'node_modules/vite/bin/vite.js'), 'build'], {
    cwd: project,
    stdio: 'pipe',
  });
  await expectAnswer(page, join(project, 'dist'));
});

test('a page without a bundler runs its script', async ({ page }) => {
  const project = consumer('html', {
    'index.html': `<!doctype html><title>…</title><p></p>
      <script src="vitrail/vitrail.iife.js"></script>
      <script type="module">const { createRuntime } = vitrail;${answering.replace('!', '')}</script>`,
  });
  cpSync(join(project, 'node_modules/vitrail/dist'), join(project, 'vitrail'), { recursive: true });
  await expectAnswer(page, project);
});

test('its types are complete under the strictest settings', () => {
  const project = consumer('types', {
    'main.ts': `import { createRuntime, VitrailError, type GenerationResult } from 'vitrail';
      import { useChat, useModel } from 'vitrail/react';
      import 'vitrail/elements';
      const runtime = await createRuntime({ workerUrl: '/vitrail.worker.js' });
      const model = await runtime.loadModel('hf:owner/name/file.gguf', { contextLength: 512 });
      const result: GenerationResult = await model.complete('Hello').result;
      // @ts-expect-error: a model has no such method
      model.paint();
      export { result, useChat, useModel, VitrailError };`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
        target: 'ES2022',
        module: 'ESNext',
        moduleResolution: 'Bundler',
        lib: ['ES2023', 'DOM', 'DOM.AsyncIterable', 'ESNext.Disposable'],
        types: [],
        typeRoots: [],
      },
      files: ['main.ts'],
    }),
  });
  cpSync(resolve(root, 'node_modules/@types/react'), join(project, 'node_modules/@types/react'), {
    recursive: true,
  });
  cpSync(resolve(root, 'node_modules/csstype'), join(project, 'node_modules/csstype'), {
    recursive: true,
  });
  execFileSync(process.execPath, [resolve(root, 'node_modules/typescript/bin/tsc')], {
    cwd: project,
    stdio: 'pipe',
  });
});

test('importing it on a server has no side effect', () => {
  const project = consumer('server', {
    'main.js': `const before = Object.keys(globalThis).length;
      await import('vitrail');
      await import('vitrail/elements');
      const { checkSupport, createRuntime } = await import('vitrail');
      const failure = await createRuntime().catch((error) => error.code);
      console.log(JSON.stringify({ support: (await checkSupport()).ok, failure, added: Object.keys(globalThis).length - before }));`,
  });
  const said = execFileSync(process.execPath, ['main.js'], { cwd: project, encoding: 'utf8' });
  expect(JSON.parse(said)).toEqual({ support: false, failure: 'invalid-argument', added: 0 });
});
