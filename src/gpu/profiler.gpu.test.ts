import { beforeAll, expect, it } from 'vitest';
import { fetchFile } from '../testing/data.ts';
import { ModelFile } from '../testing/model-file.ts';
import { Gpu } from './gpu.ts';

const tokens = [1, 2, 3, 4, 5];

async function logitsWith(profile: boolean) {
  const gpu = await Gpu.create({ profile });
  const file = new ModelFile(await fetchFile('/e2e/fixtures/models/llama3.gguf'));
  const { decoder, dispose } = await file.decoder(gpu, { contextLength: 64, kvCache: 'f32' });
  await gpu.profile();
  const before = gpu.stats().calls.dispatches;
  const logits = await decoder.logits(tokens);
  const dispatches = gpu.stats().calls.dispatches - before;
  const measures = performance.getEntriesByType('measure');
  const profile_ = await gpu.profile();
  const again = await gpu.profile();
  dispose();
  gpu.dispose();
  return { logits, dispatches, measures, profile: profile_, again };
}

let timed: Awaited<ReturnType<typeof logitsWith>>;
beforeAll(async () => {
  timed = await logitsWith(true);
});

it('times every dispatch by kernel and changes no result', async () => {
  const plain = await logitsWith(false);
  expect(timed.logits).toEqual(plain.logits);
  expect(plain.profile).toEqual({ supported: false, kernels: [] });
  if (!timed.profile.supported) {
    console.info('skipped: this adapter has no timestamp queries');
    return;
  }
  const { kernels } = timed.profile;
  expect(kernels.reduce((sum, kernel) => sum + kernel.dispatches, 0)).toBe(timed.dispatches);
  expect(kernels.some(({ kernel }) => kernel.startsWith('rms-norm/'))).toBe(true);
  expect(kernels.every(({ totalMs, boundBytes }) => totalMs >= 0 && boundBytes > 0)).toBe(true);
  expect(kernels.reduce((sum, { totalMs }) => sum + totalMs, 0)).toBeGreaterThan(0);
  expect(kernels.map(({ totalMs }) => totalMs)).toEqual(
    kernels.map(({ totalMs }) => totalMs).sort((a, b) => b - a),
  );
  expect(timed.again.kernels, 'a report starts anew').toEqual([]);
});

it('writes a track for the performance panel', () => {
  if (!timed.profile.supported) return;
  const [entry] = timed.measures as PerformanceMeasure[];
  expect(entry?.detail).toEqual({
    devtools: { dataType: 'track-entry', track: 'GPU kernels', trackGroup: 'Vitrail' },
  });
});
