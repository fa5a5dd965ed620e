/** The history of measurements: bench/history/*.jsonl, one line a run, from hardware GPUs only. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/**
 * Appends a line to `bench/history/<adapter>.jsonl`. Throws where the adapter is a software one.
 * @param {{ adapter: string, fallback: boolean } & Record<string, unknown>} line
 */
export function appendHistory({ fallback, ...line }, folder = resolve(root, 'bench/history')) {
  if (fallback || /swiftshader|llvmpipe|lavapipe|basic render/i.test(line.adapter)) {
    throw new Error(`'${line.adapter}' is a software adapter: the history holds hardware only.`);
  }
  mkdirSync(folder, { recursive: true });
  const name = line.adapter
    .toLowerCase()
    .replace(/^nvidia /, '')
    .replace(/[^a-z0-9]+/g, '-');
  const file = resolve(folder, `${name}.jsonl`);
  appendFileSync(file, `${JSON.stringify(line)}\n`);
  return file;
}

/** Date, commit and driver: what a line needs to be compared with others. */
export function provenance() {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    driver: output('nvidia-smi', ['--query-gpu=driver_version', '--format=csv,noheader']) ?? '',
  };
}

/** The commit; on a host that runs a pack the one that it was made of, whatever git says of the files there. */
function commit() {
  const note = resolve(root, '.carry/bench/commit');
  const isInstalled = existsSync(resolve(root, 'node_modules'));
  if (!isInstalled && existsSync(note)) return readFileSync(note, 'utf8').trim();
  return output('git', ['rev-parse', '--short', 'HEAD']) ?? '';
}

function output(command, options) {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'];
    return execFileSync(command, options, { cwd: root, stdio, encoding: 'utf8' })
      .trim()
      .split('\n')[0];
  } catch {
    return null;
  }
}
