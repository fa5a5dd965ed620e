/**
 * `--timeline` of the benches: when the library's worker recorded and submitted each burst of a generation, and when its tokens came back;
 * how busy the worker and the browser's GPU thread were (on Linux).
 */
import { gpuThreadMs, workerThreadMs } from './frames/thread-time.mjs';

/** Gives the page `beginTimeline()` and `endTimeline(title)`, for before and after a generation; the second prints. Before the page loads. */
export async function exposeTimeline(page) {
  let worker;
  let threads;
  await page.exposeFunction('beginTimeline', async () => {
    worker = await libraryWorker(page);
    await worker.evaluate(watchSubmits);
    threads = [gpuThreadMs(), workerThreadMs()];
  });
  await page.exposeFunction('endTimeline', async (title) => {
    const now = [gpuThreadMs(), workerThreadMs()];
    const busy = now.map((ms, i) => (ms === null ? 'unknown' : (ms - threads[i]).toFixed(1)));
    const seen = await worker.evaluate(() => self.endSubmitWatch());
    console.error(timelineText(title, seen, busy));
  });
}

/** The library's worker. Peers have workers too, and threads of WebAssembly among them never answer while they wait for work. */
async function libraryWorker(page) {
  const named = page.workers().map(async (worker) => {
    if ((await worker.evaluate(() => self.name)) !== 'vitrail') throw new Error('a peer');
    return worker;
  });
  return Promise.any(named).catch(() => {
    throw new Error('the library has no worker yet');
  });
}

/** Runs in the worker: clocks each submit from now on, in the order of WebGPU's calls. `self.endSubmitWatch` gives what it saw. */
function watchSubmits() {
  const submits = [];
  let messages = 0;
  let recording = null;
  const undo = [];

  function around(owner, method, before, after) {
    const original = owner.prototype[method];
    undo.push(() => {
      owner.prototype[method] = original;
    });
    owner.prototype[method] = function (...given) {
      before?.();
      const result = original.apply(this, given);
      after?.(result);
      return result;
    };
  }
  around(GPUDevice, 'createCommandEncoder', () => {
    recording = { began: performance.now(), dispatches: 0 };
  });
  around(GPUComputePassEncoder, 'dispatchWorkgroups', () => {
    if (recording) recording.dispatches += 1;
  });
  around(GPUQueue, 'submit', undefined, () => {
    if (recording) submits.push({ ...recording, submitted: performance.now() });
    recording = null;
  });
  around(GPUBuffer, 'mapAsync', undefined, (mapped) => {
    const submit = submits.at(-1);
    mapped.then(() => {
      if (submit) submit.back = performance.now();
    });
  });
  around(MessagePort, 'postMessage', () => {
    messages += 1;
  });
  self.endSubmitWatch = () => {
    for (const each of undo) each();
    return { submits, messages };
  };
}

/** One line a submit that was read back, in ms since the first submit began; those that were not (parts of a prompt) are summed up. */
function timelineText(title, { submits, messages }, [gpuThread, worker]) {
  const start = submits[0]?.began ?? 0;
  const read = submits.filter(({ back }) => back !== undefined);
  const ahead = submits.length - read.length;
  const ms = (value) => value.toFixed(2).padStart(9);
  const lines = read.map(({ began, dispatches, submitted, back }, i) => {
    const since = i > 0 ? ms(back - read[i - 1].back) : ''.padStart(9);
    const dispatched = String(dispatches).padStart(11);
    return `${ms(began - start)}${ms(submitted - began)}${ms(back - start)}${since}${dispatched}`;
  });
  const spent = submits.reduce((sum, { began, submitted }) => sum + submitted - began, 0);
  return [
    `\n${title}: ${ahead} submits before these`,
    '    began recording     back    since dispatches',
    ...lines,
    `recording ${spent.toFixed(1)} ms; threads: GPU process ${gpuThread} ms, worker ${worker} ms; ${messages} messages`,
  ].join('\n');
}
