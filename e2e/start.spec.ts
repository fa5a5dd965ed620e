import { spawn } from 'node:child_process';
import { expect, root, test } from './site.ts';

test('npm start serves the demo, which answers with the embedded model', async ({ page }) => {
  const server = spawn('npm', ['start', '--', '--port', '5300'], {
    cwd: root,
    env: { ...process.env, CI: 'true', NO_COLOR: '1' },
    detached: true,
  });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      let said = '';
      const listen = (text: Buffer): void => {
        said += text;
        const found = /http:\/\/localhost:\d+\//.exec(said);
        if (found) resolve(found[0]);
      };
      server.stdout.on('data', listen);
      server.stderr.on('data', listen);
      server.on('exit', () => reject(new Error(said)));
    });
    await page.goto(address);
    await page.getByRole('textbox', { name: 'Message' }).fill('It was a dark evening, and');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(page.getByRole('listitem', { name: 'Answer' }).locator('.body')).not.toBeEmpty();
  } finally {
    // npm and the server that it started.
    process.kill(-(server.pid ?? 0));
  }
});
