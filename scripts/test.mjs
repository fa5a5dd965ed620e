/**
 * `npm test`: builds, runs the unit and kernel tests (Vitest, in two browsers at once: a software adapter compiles shaders on one core)
 * and the end-to-end tests (Playwright, two at once as well), and ends with one line
 * `N passed, N failed, N skipped`. Exits with 1 when anything failed or no test ran.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ensureChromium } from './chromium.mjs';

const chromium = ensureChromium();
const folder = mkdtempSync(join(tmpdir(), 'vitrail-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
/** A line for each test that did not run, with the reason. */
const skips = [];
/** Why unit tests skip, by what their names say; the rest needs real models. */
const skipReasons = [
  [/on hardware alone|the adapter needs/, 'a software adapter'],
  [/numpy/, 'python3 with numpy is missing'],
  [/./, 'the folder of real models, ../shared/data, is missing'],
];

run('npm', ['run', '--silent', 'build']) || stop('The build failed.');
const unitTests = [runVitest('kernels', ['kernels']), runVitest('others', ['node', 'gpu'])];
for (const { report, succeeded } of await Promise.all(unitTests)) {
  count(succeeded, () => countVitest(JSON.parse(readFileSync(report, 'utf8'))));
}
const playwrightReport = join(folder, 'playwright.json');
const playwright = run('npx', ['playwright', 'test', '--reporter=list,json'], {
  PLAYWRIGHT_JSON_OUTPUT_NAME: playwrightReport,
});
count(playwright, () => countPlaywright(JSON.parse(readFileSync(playwrightReport, 'utf8'))));
rmSync(folder, { recursive: true });

for (const line of skips) console.log(line);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

function run(command, args, environment = {}) {
  return spawnSync(command, args, settings(environment)).status === 0;
}

function settings(environment = {}) {
  const env = { ...process.env, CHROME_PATH: chromium, ...environment };
  return { stdio: ['ignore', 'inherit', 'inherit'], env };
}

/** Some of the projects of vitest.config.ts, beside others. */
function runVitest(name, projects) {
  const report = join(folder, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const chosen = projects.map((project) => `--project=${project}`);
  const vitest = spawn('npx', ['vitest', 'run', ...chosen, ...reporters], settings());
  return new Promise((resolve) => {
    vitest.on('close', (status) => resolve({ report, succeeded: status === 0 }));
  });
}

/** Adds what a runner reports. A runner that fails without a failed test has failed as a whole. */
function count(succeeded, read) {
  const before = total.failed;
  try {
    const { passed, failed, skipped } = read();
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  } catch (thrown) {
    console.error(`No report: ${thrown.message}`);
  }
  if (!succeeded && total.failed === before) total.failed += 1;
}

function countVitest({
  numPassedTests,
  numFailedTests,
  numPendingTests,
  numTodoTests,
  testResults,
}) {
  for (const { name, assertionResults } of testResults) {
    for (const { status, fullName } of assertionResults) {
      if (status === 'passed' || status === 'failed') continue;
      const [, reason] = skipReasons.find(([name]) => name.test(fullName));
      tellSkipped(relative('', name), fullName, reason);
    }
  }
  return {
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests + numTodoTests,
  };
}

/** A test that failed first and passed then counts as passed. */
function countPlaywright({ stats, suites }) {
  for (const { file, title, tests } of suites.flatMap(specsOf)) {
    const reasons = tests
      .filter(({ status }) => status === 'skipped')
      .map(({ annotations }) => annotations.map(({ description }) => description).join('; '));
    for (const reason of reasons) tellSkipped(`e2e/${file}`, title, reason);
  }
  return { passed: stats.expected + stats.flaky, failed: stats.unexpected, skipped: stats.skipped };
}

function specsOf({ specs = [], suites = [] }) {
  return [...specs, ...suites.flatMap(specsOf)];
}

function tellSkipped(file, name, reason) {
  skips.push(`skipped: ${file}: ${name} (${reason})`);
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}
