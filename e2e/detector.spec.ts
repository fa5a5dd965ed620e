import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, root, test, tinyDetector } from './site.ts';

interface Expected {
  width: number;
  height: number;
  boxes: [x: number, y: number, width: number, height: number, score: number][];
  drivable: number[];
  lanes: number[];
}

const expected: Expected = JSON.parse(
  readFileSync(resolve(root, 'e2e/fixtures/vision/sample-road.json'), 'utf8'),
);

test('the embedded detector finds in the sample what PyTorch finds', async ({ blank }) => {
  test.setTimeout(90_000);
  const { boxes, agreement } = await blank.evaluate(async ({ drivable, lanes }) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector();
    const detection = await detector.detect(await (await fetch('/vision/sample-road.jpg')).blob());
    await runtime.dispose();
    /** Share of the pixels that a mask and the runs of the answer agree on. */
    const share = (mask: { data: Uint8Array }, runs: number[]) => {
      let at = 0;
      let same = 0;
      runs.forEach((length, i) => {
        for (const end = at + length; at < end; at += 1) {
          if ((mask.data[at] ?? 0) > 0 === (i % 2 === 1)) same += 1;
        }
      });
      return same / mask.data.length;
    };
    return {
      boxes: detection.boxes,
      agreement: [share(detection.drivable, drivable), share(detection.lanes, lanes)],
    };
  }, expected);
  expect(boxes).toHaveLength(expected.boxes.length);
  boxes.forEach((box, i) => {
    const [x, y, width, height, score] = expected.boxes[i] ?? [0, 0, 0, 0, 0];
    expect(Math.abs(box.score - score)).toBeLessThan(0.01);
    const differences = [box.x - x, box.y - y, box.width - width, box.height - height];
    for (const difference of differences) expect(Math.abs(difference)).toBeLessThan(0.5);
  });
  for (const share of agreement) expect(share).toBeGreaterThan(0.995);
});

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
