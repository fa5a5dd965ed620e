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
    // The first frames come by turns in both ways, whose memory differs.
    const trials = 10;
    view.on('error', ({ code, message }) => errors.push({ code, message }));
    let wake = () => {};
    view.on('result', (result) => {
      results.push(result);
      wake();
    });
    const until = performance.now() + 30_000;
    while (results.length < 20 && errors.length === 0 && performance.now() < until) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, 3000);
      });
      const { gpuBytes, buffers } = await runtime.stats();
      if (results.length > trials + 1) memory.push([gpuBytes, buffers]);
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
      ways: results.map(({ way }) => way),
    };
  }, tinyDetector);
  console.info(JSON.stringify({ ...seen, memory: seen.memory.slice(-1) }));
  expect(seen.errors).toEqual([]);
  expect(seen.count).toBeGreaterThan(13);
  expect(seen.size).toEqual([160, 96]);
  expect(new Set(seen.ways.slice(10)).size).toBe(1);
  expect(seen.agreed).toBeGreaterThan(0.98);
  expect(Math.abs((seen.boxes ?? 0) - seen.stillBoxes)).toBeLessThanOrEqual(2);
  expect(new Set(seen.memory.map(String)).size).toBe(1);
  expect(seen.gpuBytes).toBe(0);
  expect(seen.corner[3]).toBe(255);
  expect((seen.corner[2] ?? 0) + (seen.corner[1] ?? 0)).toBeGreaterThan(60);
});

test('frames in memory are copied or imported: what is found and what is drawn are the same', async ({
  blank,
}) => {
  const seen = await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    const image = new Image();
    image.src = '/vision/sample-road.jpg';
    await image.decode();
    const [width, height] = [242, 138];
    const picture = new OffscreenCanvas(width, height).getContext('2d', {
      willReadFrequently: true,
    });
    picture?.drawImage(image, 0, 0, width, height);
    const pixels = picture?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
    const limited = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false };
    const jpeg = { ...limited, matrix: 'smpte170m', fullRange: true };

    /** A decoder's frame: brightness, then the differences of colour at half the size. */
    function planes(format: 'I420' | 'NV12', colorSpace: object): VideoFrame {
      const full = (colorSpace as { fullRange: boolean }).fullRange;
      const quarter = (width * height) / 4;
      const bytes = new Uint8Array(width * height * 1.5);
      for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
          const [r = 0, g = 0, b = 0] = pixels.subarray((y * width + x) * 4);
          const grey = 0.299 * r + 0.587 * g + 0.114 * b;
          bytes[y * width + x] = full ? grey : 16 + (grey * 219) / 255;
          if (x % 2 === 1 || y % 2 === 1) continue;
          const cell = (y / 2) * (width / 2) + x / 2;
          const [u, v] = [128 + (b - grey) * 0.5, 128 + (r - grey) * 0.6];
          const at = width * height + (format === 'NV12' ? cell * 2 : cell);
          bytes[at] = u;
          bytes[at + (format === 'NV12' ? 1 : quarter)] = v;
        }
      }
      return new VideoFrame(bytes, {
        format,
        codedWidth: width,
        codedHeight: height,
        timestamp: 0,
        colorSpace: colorSpace as VideoColorSpaceInit,
      });
    }
    const words = (format: 'RGBA' | 'BGRX'): VideoFrame => {
      const bytes = pixels.slice();
      for (let i = 0; i < bytes.length && format === 'BGRX'; i += 4)
        bytes.set([pixels[i + 2] ?? 0, pixels[i + 1] ?? 0, pixels[i] ?? 0], i);
      return new VideoFrame(bytes, {
        format,
        codedWidth: width,
        codedHeight: height,
        timestamp: 0,
      });
    };
    const inner = new VideoFrame(planes('I420', limited), {
      timestamp: 0,
      visibleRect: { x: 8, y: 16, width: 200, height: 101 },
    });
    const frames: Record<string, VideoFrame> = {
      'I420, limited': planes('I420', limited),
      'NV12 of a JPEG': planes('NV12', jpeg),
      RGBA: words('RGBA'),
      BGRX: words('BGRX'),
      'a part of a frame': inner,
    };
    let given: VideoFrame = inner;
    const original = window.createImageBitmap.bind(window);
    // What a view sends for an image are the frames of this test.
    Object.assign(window, {
      createImageBitmap: (from: ImageBitmapSource) =>
        from === image ? given.clone() : original(from),
    });
    const canvas = document.createElement('canvas');
    document.body.append(canvas);
    const view = detector.attach(image, canvas, { threshold: 0.0036, masks: true });
    let answered = (_: import('vitrail').LiveDetection) => {};
    view.on('result', (result) => answered(result));
    const next = () =>
      new Promise<import('vitrail').LiveDetection>((resolve) => {
        answered = resolve;
      });
    const drawn = async (): Promise<Uint8ClampedArray> => {
      // The last frame is drawn at a refresh.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const shot = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      shot?.drawImage(canvas, 0, 0);
      return shot?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
    };
    await next();
    const compared = [];
    for (const [name, frame] of Object.entries(frames)) {
      given = frame;
      const answers = [];
      for (const way of ['import', 'copy'] as const) {
        const answer = next();
        view.setOptions({ way });
        answers.push({ ...(await answer), picture: await drawn() });
      }
      const [a, b] = answers;
      if (!a || !b) throw new Error('no answers');
      const share = (one?: Uint8Array, other?: Uint8Array): number =>
        (one?.filter((bit, i) => bit === other?.[i]).length ?? 0) / (one?.length ?? 1);
      const differences = a.picture.map((value, i) => Math.abs(value - (b.picture[i] ?? 255)));
      const boxes = a.boxes.map((box, i) => {
        const other = b.boxes[i];
        return Math.max(Math.abs(box.x - (other?.x ?? 1e6)), Math.abs(box.y - (other?.y ?? 1e6)));
      });
      compared.push({
        name,
        ways: [a.way, b.way],
        size: [a.width, a.height],
        boxes: [a.boxes.length, b.boxes.length],
        moved: Math.max(...boxes),
        masks: [share(a.drivable?.data, b.drivable?.data), share(a.lanes?.data, b.lanes?.data)],
        picture: differences.reduce((sum, value) => sum + value, 0) / differences.length,
        colours: new Set(b.picture).size,
      });
    }
    const refused = failureOf(new Promise((_, reject) => view.on('error', reject)));
    view.setOptions({ way: 'post' as 'copy' });
    const code = (await refused)?.code;
    await detector.dispose();
    const { gpuBytes } = await runtime.stats();
    await runtime.dispose();
    return { compared, code, gpuBytes };
  }, tinyDetector);
  console.info(JSON.stringify(seen.compared));
  expect(seen.compared).toHaveLength(5);
  for (const { name, ways, boxes, moved, masks, picture, colours } of seen.compared) {
    expect(ways, name).toEqual(['import', 'copy']);
    expect(boxes[0], name).toBeGreaterThan(3);
    expect(boxes[1], name).toBe(boxes[0]);
    expect(moved, name).toBeLessThan(0.1);
    expect(Math.min(...masks), name).toBeGreaterThan(0.995);
    // Of 255: an import rounds colours to bytes before it scales them.
    expect(picture, name).toBeLessThan(0.5);
    expect(colours, name).toBeGreaterThan(50);
  }
  expect(seen.compared.at(-1)?.size).toEqual([200, 101]);
  expect(seen.code).toBe('invalid-argument');
  expect(seen.gpuBytes).toBe(0);
});

test('frames whose bytes the browser does not give are imported, though copies are asked for', async ({
  blank,
}) => {
  await blank.evaluate(async (source) => {
    const runtime = await vitrail.createRuntime();
    const detector = await runtime.loadDetector(source);
    const image = new Image();
    image.src = '/vision/sample-road.jpg';
    await image.decode();
    const bytes = new Uint8Array(160 * 96 * 1.5).fill(120);
    const size = { codedWidth: 160, codedHeight: 96, timestamp: 0 };
    const frame = new VideoFrame(bytes, { format: 'I420', ...size });
    Object.assign(window, { createImageBitmap: () => frame.clone() });
    const view = detector.attach(image, document.createElement('canvas'), { way: 'copy' });
    const next = () =>
      new Promise<string>((resolve, reject) => {
        view.on('result', ({ way }) => resolve(way));
        view.on('error', reject);
        view.setOptions({});
      });
    Object.assign(window, { next });
    await next();
  }, tinyDetector);
  const next = () =>
    blank.evaluate(() => (window as unknown as { next(): Promise<string> }).next());
  expect(await next()).toBe('copy');
  const [worker] = blank.workers();
  await worker?.evaluate(() => {
    const refuse = () => Promise.reject(new DOMException('not here', 'NotSupportedError'));
    Object.assign(VideoFrame.prototype, { copyTo: refuse });
  });
  // Frames that were under way come first.
  await expect.poll(next).toBe('import');
  expect(await next()).toBe('import');
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
