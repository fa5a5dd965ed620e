/** CPU time of a browser's threads, as Linux counts it: null elsewhere. */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds that the workers of the browser have run so far: messages, garbage and all. */
export const workerThreadMs = () => threadMs((_, thread) => thread.name === 'DedicatedWorker');

/** The same of the thread that runs the GPU's commands for all pages. */
export const gpuThreadMs = () =>
  threadMs((command, { isMain }) => isMain && command.includes('--type=gpu-process'));

function threadMs(isWanted) {
  if (process.platform !== 'linux') return null;
  let nanoseconds = 0;
  for (const id of descendants()) {
    const command = read(`/proc/${id}/cmdline`);
    for (const thread of list(`/proc/${id}/task`)) {
      const path = `/proc/${id}/task/${thread}`;
      const about = { name: read(`${path}/comm`).trim(), isMain: Number(thread) === id };
      if (isWanted(command, about)) nanoseconds += Number(read(`${path}/schedstat`).split(' ')[0]);
    }
  }
  return nanoseconds / 1e6;
}

/** This process, those that it started, and those that they did. */
function descendants() {
  const children = new Map();
  for (const name of list('/proc')) {
    // Behind the name in brackets, which may hold anything: the state, then the parent.
    const [, parent] = read(`/proc/${name}/stat`).split(') ').at(-1).split(' ');
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)]);
  }
  const found = [process.pid];
  for (const id of found) found.push(...(children.get(id) ?? []));
  return found;
}

/** The numbers in a folder; none where the process has ended. */
function list(path) {
  try {
    return readdirSync(path).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
