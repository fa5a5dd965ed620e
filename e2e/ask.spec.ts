import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, root, test, tinyModel } from './site.ts';

interface Run {
  code: number | null;
  output: string;
  errors: string;
}

const tinyFile = resolve(root, 'e2e/fixtures/models/llama3.gguf');
const greedy = ['--temperature', '0', '--max-tokens', '12'];

/** Runs `npm run ask` as a terminal would with both streams piped. `interruptAfter`: Ctrl-C once so much text has come. */
function ask(options: string[], interruptAfter = Number.POSITIVE_INFINITY): Promise<Run> {
  return new Promise((done) => {
    const child = spawn(process.execPath, ['scripts/ask.mjs', ...options], { cwd: root });
    const run: Run = { code: null, output: '', errors: '' };
    child.stdout.on('data', (text) => {
      run.output += text;
      if (run.output.length > interruptAfter) child.kill('SIGINT');
    });
    child.stderr.on('data', (text) => {
      run.errors += text;
    });
    child.on('close', (code) => done({ ...run, code }));
  });
}

test('answers with the embedded model on a clean output', async () => {
  const first = await ask([...greedy, 'The old house stood at the end of']);
  expect(first).toMatchObject({ code: 0, errors: '' });
  expect(first.output.trim().length).toBeGreaterThan(10);
  expect(first.output.endsWith('\n')).toBe(true);
});

test('answers with a file and with an address alike', async ({ site }) => {
  const byFile = await ask(['--model', tinyFile, ...greedy, 'Hello']);
  expect(byFile).toMatchObject({ code: 0, errors: '' });
  site.faults.clear();
  const byAddress = await ask(['--model', tinyFile, '--seed', '1', ...greedy, 'Hello']);
  expect(byAddress.output).toBe(byFile.output);
});

test('fails with the message and the fix on stderr', async ({ site }) => {
  const notModel = await ask(['--model', 'package.json', 'Hello']);
  expect(notModel).toMatchObject({ code: 1, output: '' });
  expect(notModel.errors).toMatch(/GGUF/);
  expect(notModel.errors.trim().split('\n').length).toBeGreaterThan(1);
  const missing = await ask(['--model', 'no-such-file.gguf', 'Hello']);
  expect(missing).toMatchObject({ code: 1, output: '' });
  expect(missing.errors).toContain('no-such-file.gguf');
  const unreachable = await ask(['--model', `${site.url}${tinyModel}x`, 'Hello']);
  expect(unreachable).toMatchObject({ code: 1, output: '' });
  expect(await ask([])).toMatchObject({ code: 2, output: '' });
  expect(await ask(['--temperature', 'hot', 'Hello'])).toMatchObject({ code: 2, output: '' });
});

test('ends at Ctrl-C', async () => {
  // Greedy, so that the answer is long each time.
  const story = 'Tell me a long bedtime story about a fox and a bear.';
  const run = await ask(['--temperature', '0', '--max-tokens', '450', story], 20);
  expect(run.code).toBe(130);
});
