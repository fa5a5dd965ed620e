import { expect, test, tinyDetector } from './site.ts';

test('a detector answers for pictures, canvases and files, in a script that comes when it is wanted', async ({
  blank,
  site,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    const canvas = new OffscreenCanvas(160, 90);
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no 2d context');
    context.fillStyle = 'steelblue';
    context.fillRect(0, 0, 160, 40);
    context.fillStyle = 'crimson';
    context.fillRect(50, 30, 40, 30);
    // Untrained, the model scores low.
    const options = { threshold: 0.0035 };
    const fromCanvas = await detector.detect(canvas, options);
    const fromFile = await detector.detect(await canvas.convertToBlob(), options);
    const empty = await failureOf(detector.detect(new Blob(['no picture'])));
    const wrong = await failureOf(detector.detect(canvas, { threshold: -1 }));
    const after = await detector.detect(canvas, options);
    const { info } = detector;
    await detector.dispose();
    const disposed = await failureOf(detector.detect(canvas));
    const { gpuBytes } = await runtime.stats();
    await runtime.dispose();
    return {
      info,
      boxes: fromCanvas.boxes.length,
      alike: JSON.stringify(fromCanvas.boxes) === JSON.stringify(after.boxes),
      fileBoxes: fromFile.boxes.length,
      inside: fromCanvas.boxes.every(
        ({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= 160.01 && y + height <= 90.01,
      ),
      masks: [fromCanvas.drivable, fromCanvas.lanes].map(({ width, height, data }) => [
        width,
        height,
        data.length,
      ]),
      codes: [empty?.code, wrong?.code, disposed?.code],
      gpuBytes,
    };
  }, tinyDetector);
  expect(seen).toMatchObject({
    info: { name: 'A-YOLOM', width: 672, height: 384, labels: ['vehicle'] },
    alike: true,
    inside: true,
    masks: [
      [160, 90, 14_400],
      [160, 90, 14_400],
    ],
    codes: ['invalid-argument', 'invalid-argument', 'invalid-argument'],
    gpuBytes: 0,
  });
  expect(seen.boxes).toBeGreaterThan(0);
  expect(seen.fileBoxes).toBe(seen.boxes);
  expect(site.rangesOf('/vitrail.vision.js').length).toBeGreaterThan(0);
});

test('what is no detector gives a typed error, and the runtime stays usable', async ({ blank }) => {
  const codes = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const bytes = await (await fetch(source)).arrayBuffer();
    const failures = [
      await failureOf(runtime.loadDetector('/vision/nothing.safetensors')),
      await failureOf(runtime.loadDetector(bytes.slice(0, 5000))),
      await failureOf(runtime.loadDetector(new Blob(['<!doctype html>']))),
      await failureOf(runtime.loadDetector([] as unknown as Blob)),
    ];
    const { gpuBytes } = await runtime.stats();
    await (await runtime.loadDetector(bytes)).dispose();
    await runtime.dispose();
    return [...failures.map((failure) => failure?.code), gpuBytes];
  }, tinyDetector);
  expect(codes).toEqual(['network', 'model-corrupt', 'model-corrupt', 'invalid-argument', 0]);
});

test('a vision script that cannot be loaded says so', async ({ blank }) => {
  const failure = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime({ visionUrl: '/dist/missing.js' });
    const failed = await failureOf(runtime.loadDetector(source));
    await runtime.dispose();
    return { code: failed?.code, fix: failed?.fix };
  }, tinyDetector);
  expect(failure.code).toBe('network');
  expect(failure.fix).toContain('script-src');
});
