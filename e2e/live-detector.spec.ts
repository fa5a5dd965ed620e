import { softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { expect, lacksData, lacksDataReason, test, tinyDetector } from './site.ts';

// The software adapter gives external textures and canvases that can be read only with these.
test.use({
  launchOptions: {
    ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : {}),
    args: [...softwareAdapterFlags, ...softwareCanvasFlags],
  },
});

test('a video is drawn with what is in it, as detect() sees it, in memory that stays', async ({
  blank,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    // A stream of the test's own: a canvas that changes.
    const picture = document.createElement('canvas');
    Object.assign(picture, { width: 160, height: 96 });
    const context = picture.getContext('2d');
    if (!context) throw new Error('no 2d context');
    let step = 0;
    const paint = () => {
      context.fillStyle = 'steelblue';
      context.fillRect(0, 0, 160, 96);
      context.fillStyle = 'crimson';
      context.fillRect(40 + (step++ % 2), 30, 40, 30);
    };
    paint();
    const timer = setInterval(paint, 30);
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = picture.captureStream(30);
    await video.play();
    const canvas = document.createElement('canvas');
    document.body.append(canvas);
    const view = detector.attach(video, canvas, { threshold: 0.0035, masks: true });
    const results: import('vitrail').LiveDetection[] = [];
    const errors: unknown[] = [];
    const memory: [number, number][] = [];
    view.on('error', ({ code, message }) => errors.push({ code, message }));
    let wake = () => {};
    view.on('result', (result) => {
      results.push(result);
      wake();
    });
    const until = performance.now() + 15_000;
    while (results.length < 24 && errors.length === 0 && performance.now() < until) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, 3000);
      });
      const { gpuBytes, buffers } = await runtime.stats();
      memory.push([gpuBytes, buffers]);
    }
    clearInterval(timer);
    const still = await detector.detect(video, { threshold: 0.0035 });
    const shot = new OffscreenCanvas(canvas.width, canvas.height);
    const shotContext = shot.getContext('2d');
    shotContext?.drawImage(canvas, 0, 0);
    const corner = [...(shotContext?.getImageData(2, 2, 1, 1).data ?? [])];
    const last = results.at(-1);
    const lanes = last?.lanes?.data ?? new Uint8Array();
    const agreed = lanes.filter((bit, i) => bit === still.lanes.data[i]).length / lanes.length;
    view.stop();
    view.stop();
    const count = results.length;
    await detector.dispose();
    const { gpuBytes } = await runtime.stats();
    await runtime.dispose();
    return {
      count,
      errors,
      memory,
      corner,
      agreed,
      gpuBytes,
      size: [last?.width, last?.height],
      boxes: last?.boxes.length,
      stillBoxes: still.boxes.length,
      timing: last?.timing,
    };
  }, tinyDetector);
  console.info(JSON.stringify({ ...seen, memory: seen.memory.slice(-1) }));
  expect(seen.errors).toEqual([]);
  expect(seen.count).toBeGreaterThan(3);
  expect(seen.size).toEqual([160, 96]);
  expect(seen.agreed).toBeGreaterThan(0.98);
  expect(Math.abs((seen.boxes ?? 0) - seen.stillBoxes)).toBeLessThanOrEqual(2);
  expect(new Set(seen.memory.map(String)).size).toBe(1);
  expect(seen.gpuBytes).toBe(0);
  expect(seen.corner[3]).toBe(255);
  expect((seen.corner[2] ?? 0) + (seen.corner[1] ?? 0)).toBeGreaterThan(60);
});

test('frames between two refreshes of the display are not drawn, except the last', async ({
  blank,
}) => {
  await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    const picture = (colour: string): string => {
      const canvas = document.createElement('canvas');
      Object.assign(canvas, { width: 160, height: 96 });
      const context = canvas.getContext('2d');
      if (!context) throw new Error('no 2d context');
      context.fillStyle = colour;
      context.fillRect(0, 0, 160, 96);
      return canvas.toDataURL();
    };
    const image = new Image();
    image.src = picture('blue');
    await image.decode();
    const canvas = document.createElement('canvas');
    document.body.append(canvas);
    const view = detector.attach(image, canvas, { threshold: 1 });
    const next = () => new Promise<void>((resolve) => view.on('result', () => resolve()));
    const redAndBlue = (): (number | undefined)[] => {
      const shot = new OffscreenCanvas(160, 96).getContext('2d');
      shot?.drawImage(canvas, 0, 0);
      const [red, , blue] = shot?.getImageData(80, 90, 1, 1).data ?? [];
      return [red, blue];
    };
    Object.assign(window, { image, picture, next, redAndBlue });
    await next();
  }, tinyDetector);
  // A display that refreshes when it is told to.
  const [worker] = blank.workers();
  await worker?.evaluate(() => {
    self.requestAnimationFrame = (refreshed) => {
      Object.assign(self, { refresh: () => refreshed(performance.now()) });
      return 0;
    };
  });
  const shown = (colour: string | null) =>
    blank.evaluate(async (colour) => {
      const { image, picture, next, redAndBlue } = window as unknown as {
        image: HTMLImageElement;
        picture(colour: string): string;
        next(): Promise<void>;
        redAndBlue(): number[];
      };
      const answered = next();
      if (colour) image.src = picture(colour);
      else Object.assign(window, { waits: true });
      await answered;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return redAndBlue();
    }, colour);
  const first = await shown('blue');
  const tooSoon = await shown('red');
  const overdue = shown(null);
  await blank.waitForFunction(() => 'waits' in window);
  await worker?.evaluate(() => (self as unknown as { refresh(): void }).refresh());
  const last = await overdue;
  // The network is random and tints what it finds: a picture is known by being another one.
  expect(tooSoon).toEqual(first);
  expect(last).not.toEqual(first);
});

test('a canvas in use is refused; a disposed detector ends a view with a typed error', async ({
  blank,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    const used = document.createElement('canvas');
    used.getContext('2d');
    const image = new Image();
    const refused = await failureOf(Promise.resolve().then(() => detector.attach(image, used)));
    await detector.dispose();
    const view = detector.attach(image, document.createElement('canvas'));
    const ended = await new Promise<string>((resolve) => {
      view.on('error', ({ code }) => resolve(code));
    });
    await runtime.dispose();
    return { refused: refused?.code, ended };
  }, tinyDetector);
  expect(seen).toEqual({ refused: 'invalid-argument', ended: 'invalid-argument' });
});

test('TwinLiteNet loads by its tensors and gives masks alone, in a call and live', async ({
  blank,
}) => {
  test.skip(lacksData, lacksDataReason);
  const seen = await blank.evaluate(async () => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector('/data/weights/twinlitenet.safetensors');
    const image = new Image();
    image.src = '/vision/sample-road.jpg';
    await image.decode();
    const { boxes, drivable, lanes } = await detector.detect(await createImageBitmap(image));
    const shareOf = ({ data }: { data: Uint8Array }) =>
      data.reduce((sum, bit) => sum + bit, 0) / data.length;
    const view = detector.attach(image, document.createElement('canvas'), { masks: true });
    const live = await new Promise<import('vitrail').LiveDetection>((resolve, reject) => {
      view.on('result', resolve);
      view.on('error', reject);
    });
    const same = live.drivable?.data.filter((bit, i) => bit === drivable.data[i]).length ?? 0;
    const { info } = detector;
    await runtime.dispose();
    return {
      info,
      boxes: boxes.length,
      drivable: shareOf(drivable),
      lanes: shareOf(lanes),
      agreed: same / drivable.data.length,
    };
  });
  expect(seen.info).toMatchObject({ architecture: 'twin-lite-net', masks: ['drivable', 'lanes'] });
  expect(seen.boxes).toBe(0);
  expect(seen.drivable).toBeGreaterThan(0.1);
  expect(seen.drivable).toBeLessThan(0.7);
  expect(seen.lanes).toBeLessThan(0.2);
  expect(seen.agreed).toBeGreaterThan(0.98);
});
