/** Finds a Chromium for tests and for `npm run ask`, or installs one. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium as playwrightChromium } from 'playwright';

/** Flags that make a Chromium without a GPU run WebGPU on its software adapter, and keep it quiet without a network. */
export const softwareAdapterFlags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The software adapter draws on canvases and gives external textures with these alone. */
export const softwareCanvasFlags = [
  '--use-angle=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
];

const systemPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The path of a Chromium that starts: CHROME_PATH, Playwright's own, the system's; null where there is none. */
export function findChromium() {
  const given = process.env.CHROME_PATH;
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`CHROME_PATH is '${given}', where no file is.`);
  }
  return [playwrightChromium.executablePath(), ...systemPaths].find(starts) ?? null;
}

/** Playwright's can be there and lack the system's libraries. */
function starts(path) {
  return existsSync(path) && spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Finds a Chromium; installs Playwright's where there is none, and Debian's where that cannot be had or does not start. */
export function ensureChromium() {
  const found = findChromium() ?? installChromium();
  // Configurations are read anew in each process: the ones that this process starts need not search.
  process.env.CHROME_PATH = found;
  return found;
}

function installChromium() {
  console.error('No Chromium found: installing one (set CHROME_PATH to use your own).');
  const isRoot = process.getuid?.() === 0;
  run('npx', ['playwright', 'install', '--no-shell', 'chromium']);
  if (!findChromium() && isRoot) {
    run('apt-get', ['update']);
    run('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium']);
  }
  const installed = findChromium();
  if (installed) return installed;
  throw new Error('No Chromium could be installed. Install one, and set CHROME_PATH to its path.');
}

/** Runs an installer with its output on stderr; a failure only means that the next way is tried. */
function run(command, args) {
  const options = { stdio: ['ignore', process.stderr, process.stderr], timeout: 600_000 };
  const { error, status } = spawnSync(command, args, options);
  if (error || status !== 0) console.error(`${command} did not install it.`);
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const path = ensureChromium();
  console.log(path, execFileSync(path, ['--version']).toString().trim());
}
