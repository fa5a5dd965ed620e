import type { Page } from '@playwright/test';
import { embeddedModel, expect, test, tinyModel } from './site.ts';

/** Loads a model and gives its first greedy tokens; the runtime is disposed of afterwards. */
function answerOf(page: Page, model: string, options: object = {}): Promise<number[]> {
  return page.evaluate(
    async ([source, loadOptions]) => {
      const runtime = await vitrail.createRuntime();
      try {
        const loaded = await runtime.loadModel(source, loadOptions);
        const generation = loaded.complete('It was a dark evening', {
          maxTokens: 8,
          temperature: 0,
        });
        return (await generation.result).tokens;
      } finally {
        await runtime.dispose();
      }
    },
    [model, options] as const,
  );
}

/** Offsets at which requests began; a whole file begins at 0. */
const startsOf = (ranges: (string | null)[]): number[] =>
  ranges.map((range) => Number(/^bytes=(\d+)/.exec(range ?? '')?.[1] ?? 0));

test('a second load asks the network for nothing', async ({ blank, site }) => {
  const tokens = await answerOf(blank, embeddedModel);
  site.faults.set(embeddedModel, () => ({ status: 503 }));
  expect(await answerOf(blank, embeddedModel)).toEqual(tokens);
});

test('a connection that is cut goes on where it was', async ({ blank, site }) => {
  const whole = await answerOf(blank, `${embeddedModel}?whole`, { cache: false });
  const before = site.rangesOf(embeddedModel).length;
  site.faults.set(embeddedModel, () => ({ cutAfterBytes: 700_000 }));
  expect(await answerOf(blank, embeddedModel)).toEqual(whole);
  // Each connection is cut, so each one begins where the one before it ended.
  const starts = startsOf(site.rangesOf(embeddedModel).slice(before));
  expect(starts.filter((start) => start >= 600_000).length).toBeGreaterThanOrEqual(2);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
});

test('a page that is closed while loading leaves a start for the next one', async ({
  blank,
  site,
  context,
}) => {
  site.faults.set(embeddedModel, () => ({ bytesPerSecond: 2_000_000 }));
  const seen = blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    await new Promise<void>((resolve) => {
      void runtime.loadModel(source, {
        onProgress: ({ loadedBytes }) => loadedBytes > 500_000 && resolve(),
      });
    });
  }, embeddedModel);
  await seen;
  await blank.close();
  site.faults.clear();
  const next = await context.newPage();
  await next.goto('/pages/blank.html');
  expect(await answerOf(next, embeddedModel)).toHaveLength(8);
});

test('two tabs download a model once', async ({ blank, site, context }) => {
  await answerOf(blank, `${embeddedModel}?alone`);
  const alone = site.rangesOf(embeddedModel).length;
  const other = await context.newPage();
  await other.goto('/pages/blank.html');
  site.faults.set(embeddedModel, () => ({ bytesPerSecond: 3_000_000 }));
  const [first, second] = await Promise.all([
    answerOf(blank, `${embeddedModel}?shared`),
    answerOf(other, `${embeddedModel}?shared`),
  ]);
  expect(second).toEqual(first);
  // The tab that waits may look at the file's head before it takes its turn; it does not read the file.
  const whole = site.rangesOf(embeddedModel).slice(alone);
  expect(whole.length).toBeLessThanOrEqual(alone + 1);
});

test('a shard that was changed in IndexedDB is fetched again', async ({ blank, site }) => {
  const tokens = await answerOf(blank, embeddedModel);
  await blank.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('vitrail');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const store = database.transaction('weights', 'readwrite').objectStore('weights');
    const keys = await settled(store.getAllKeys());
    const key = keys.find((name) => String(name).startsWith('shard/'));
    const bytes = await settled(store.get(key as IDBValidKey));
    const view = new Uint8Array(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes);
    view[1000] = (view[1000] ?? 0) ^ 255;
    await settled(store.put(bytes, key));
    database.close();

    function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
      return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    }
  });
  const verify = () =>
    blank.evaluate(async () => {
      const runtime = await vitrail.createRuntime();
      const [model] = await runtime.store.list();
      const intact = await runtime.store.verify(model?.id ?? '');
      await runtime.dispose();
      return intact;
    });
  expect(await verify()).toBe(false);
  const before = site.rangesOf(embeddedModel).length;
  expect(await answerOf(blank, embeddedModel)).toEqual(tokens);
  expect(site.rangesOf(embeddedModel).length).toBeGreaterThan(before);
  expect(await verify()).toBe(true);
});

test('short storage is told before the download, and cache: false does without', async ({
  blank,
  site,
  context,
}) => {
  const devtools = await context.newCDPSession(blank);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 1_000_000 });
  const failure = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const failed = await failureOf(runtime.loadModel(source));
    const stored = await runtime.store.list();
    await runtime.dispose();
    return { ...failed, stored };
  }, embeddedModel);
  expect(failure).toMatchObject({ name: 'VitrailError', code: 'storage-quota', stored: [] });
  expect(failure.detail?.neededBytes).toBeGreaterThan(1_900_000);
  expect(failure.detail?.availableBytes).toBeLessThanOrEqual(1_000_000);
  expect(await answerOf(blank, embeddedModel, { cache: false })).toHaveLength(8);
});

test('a server without Range and a file that changes between requests both load', async ({
  blank,
  site,
}) => {
  const tokens = await answerOf(blank, tinyModel, { cache: false });
  site.faults.set(tinyModel, () => ({ noRange: true }));
  expect(await answerOf(blank, `${tinyModel}?without-range`)).toEqual(tokens);
  site.faults.set(tinyModel, (number) => ({
    etag: number === 1 ? '"one"' : '"two"',
    ...(number === 1 ? { cutAfterBytes: 100_000 } : {}),
  }));
  expect(await answerOf(blank, `${tinyModel}?changed`)).toEqual(tokens);
});
