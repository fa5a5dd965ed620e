import { ensureChromium, softwareAdapterFlags, softwareCanvasFlags } from '../scripts/chromium.mjs';
import { expect, test } from './site.ts';

test.use({
  launchOptions: {
    executablePath: ensureChromium(),
    args: [...softwareAdapterFlags, ...softwareCanvasFlags],
  },
});

/** A `.splat` of one opaque splat, about 0.4 m wide, at the origin. */
function ball(red: number, green: number, blue: number): number[] {
  const file = new Uint8Array(32);
  const view = new DataView(file.buffer);
  for (let axis = 0; axis < 3; axis += 1) view.setFloat32(12 + axis * 4, 0.2, true);
  file.set([red, green, blue, 255, 255, 128, 128, 128], 24);
  return [...file];
}

const balls = { red: ball(255, 0, 0), green: ball(0, 255, 0) };

test('a scene shows several, nearer ones over farther ones, as they move', async ({ blank }) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  const seen = await blank.evaluate(async ({ red, green }) => {
    const runtime = await vitrail.createRuntime();
    const load = (bytes: number[]) => runtime.loadAvatar(new Blob([new Uint8Array(bytes)]));
    const [a, b] = [await load(red), await load(green)];
    const camera = { position: [0, 0, 3], target: [0, 0, 0], fovY: 40 } as const;
    const scene = runtime.createScene([{ avatar: a }, { avatar: b, position: [0, 0, -0.5] }]);
    const middle = async (method: 'quads' | 'tiles'): Promise<number[]> => {
      const { data } = await scene.render({ width: 33, height: 33, camera, method });
      return [...data.subarray((16 * 33 + 16) * 4, (16 * 33 + 16) * 4 + 3)];
    };
    const behind = [await middle('quads'), await middle('tiles')];
    scene.set([{ avatar: a }, { avatar: b, position: [0, 0, 0.5] }]);
    const before = [await middle('quads'), await middle('tiles')];
    scene.set([{ avatar: a }, { avatar: b, position: [1, 0, 0], scale: 0.5 }]);
    const beside = await middle('tiles');
    await a.dispose();
    const left = await scene.measure({ width: 32, height: 32, frames: 2 });
    const { data } = await scene.render({
      width: 32,
      height: 32,
      camera: { ...camera, target: [1, 0, 0] },
    });
    await b.dispose();
    const empty = await scene.render({ width: 8, height: 8 }).catch(({ code }) => code);
    const wrong = await a.render({ width: 8, height: 8 }).catch(({ message }) => message);
    const { gpuBytes } = await runtime.stats();
    await scene.dispose();
    await runtime.dispose();
    const framed = Math.max(...data);
    return { behind, before, beside, left, framed, empty, wrong, gpuBytes };
  }, balls);
  for (const [red = 0, green = 0] of [...seen.behind, seen.beside])
    expect(red - green).toBeGreaterThan(240);
  for (const [red = 0, green = 0] of seen.before) expect(green - red).toBeGreaterThan(240);
  expect(seen.left).toMatchObject({ splats: 1, dropped: 0 });
  expect(seen.framed).toBeGreaterThan(200);
  expect(seen.empty).toBe('invalid-argument');
  expect(seen.wrong).toBe('The avatar has been disposed.');
  expect(seen.gpuBytes).toBe(0);
});

test('a view of a scene goes on when avatars move, come, leave and all leave', async ({
  blank,
}) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  await blank.evaluate(async ({ red, green }) => {
    const runtime = await vitrail.createRuntime();
    const load = (bytes: number[]) => runtime.loadAvatar(new Blob([new Uint8Array(bytes)]));
    const canvas = document.createElement('canvas');
    canvas.style.cssText = 'display:block;width:120px;height:90px';
    document.body.append(canvas);
    const [a, b] = [await load(red), await load(green)];
    const scene = runtime.createScene([{ avatar: a, position: [-1, 0, 0] }]);
    const view = scene.attach(canvas, {
      pixelRatio: 1,
      background: [0, 0, 1],
      camera: { position: [0, 0, 5], target: [0, 0, 0], fovY: 40 },
    });
    const state = { runtime, load, scene, view, a, b, error: '' };
    view.on('error', ({ code }) => {
      state.error = code;
    });
    Object.assign(globalThis, { state });
  }, balls);

  /** Counts of pixels of the canvas that are mostly red, green, and blue. */
  const colors = async (): Promise<number[]> => {
    const png = (await blank.locator('canvas').screenshot()).toString('base64');
    return blank.evaluate(async (base64) => {
      const response = await fetch(`data:image/png;base64,${base64}`);
      const image = await createImageBitmap(await response.blob());
      const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
      if (!context) throw new Error('no 2D context');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const counts = [0, 0, 0];
      for (let i = 0; i < data.length; i += 4) {
        const pixel = data.subarray(i, i + 3);
        const at = pixel.findIndex(
          (own) => own > 200 && pixel.filter((one) => one > 60).length === 1,
        );
        if (at >= 0) counts[at] = (counts[at] ?? 0) + 1;
      }
      return counts;
    }, png);
  };
  /** What is seen of red and of green: nothing, or something. */
  const seen = async (): Promise<boolean[]> => (await colors()).slice(0, 2).map((n) => n > 20);
  const act = (what: string): Promise<unknown> => blank.evaluate(`(async () => { ${what} })()`);

  await expect.poll(seen, { timeout: 40_000 }).toEqual([true, false]);
  await act(
    'state.scene.set([{ avatar: state.a, position: [-1, 0, 0] }, { avatar: state.b, position: [1, 0, 0] }])',
  );
  await expect.poll(seen, { timeout: 20_000 }).toEqual([true, true]);

  const frames = await blank.evaluate(async () => {
    const { runtime, scene, a, b } = (globalThis as unknown as { state: Shown }).state;
    const before = await runtime.stats();
    for (let i = 0; i < 40; i += 1) {
      scene.set([
        { avatar: a, position: [-1, i / 100, 0] },
        { avatar: b, position: [1 + i / 100, 0, 0] },
      ]);
      await new Promise(requestAnimationFrame);
    }
    return { before, after: await runtime.stats() };
  });
  const { before, after } = frames;
  const submits = after.calls.submits - before.calls.submits;
  expect(submits).toBeGreaterThan(5);
  expect(after.calls.writeBuffers - before.calls.writeBuffers).toBeLessThanOrEqual(submits);
  expect([after.calls.buffers, after.calls.bindGroups, after.gpuBytes]).toEqual([
    before.calls.buffers,
    before.calls.bindGroups,
    before.gpuBytes,
  ]);

  await act('await state.a.dispose()');
  await expect.poll(seen, { timeout: 20_000 }).toEqual([false, true]);
  await act('await state.b.dispose()');
  await expect.poll(colors, { timeout: 20_000 }).toEqual([0, 0, 120 * 90]);
  await blank.evaluate(async (red) => {
    const { state } = globalThis as unknown as { state: Shown };
    state.scene.set([{ avatar: await state.load(red) }]);
  }, balls.red);
  await expect.poll(seen, { timeout: 20_000 }).toEqual([true, false]);
  expect(await blank.evaluate('state.error')).toBe('');
  await act('state.view.stop(); await state.runtime.dispose()');
});

test('a view gets the room that its tiles lack, and quads where there is none', async ({
  blank,
}) => {
  await blank.addScriptTag({ url: '/dist/vitrail.iife.js' });
  /** 1,200 splats that are each in all of 256 tiles: more pairs than tiles have room for at first. */
  const file = Buffer.alloc(1200 * 32);
  for (let i = 0; i < 1200; i += 1) {
    for (const at of [12, 16, 20]) file.writeFloatLE(3, i * 32 + at);
    file.writeFloatLE(i / 1200, i * 32 + 8);
    file.set([255, 0, 0, 128, 255, 128, 128, 128], i * 32 + 24);
  }
  const seen = await blank.evaluate(async (base64) => {
    const bytes = await (await fetch(`data:application/octet-stream;base64,${base64}`)).blob();
    const shown = async (maxBufferBytes?: number): Promise<object> => {
      const runtime = await vitrail.createRuntime(maxBufferBytes ? { maxBufferBytes } : {});
      const avatar = await runtime.loadAvatar(bytes);
      const canvas = document.createElement('canvas');
      canvas.style.cssText = 'display:block;width:256px;height:256px';
      document.body.append(canvas);
      const camera = { position: [0, 0, 6], target: [0, 0, 0], fovY: 30 } as const;
      const view = avatar.attach(canvas, { pixelRatio: 1, method: 'tiles', camera });
      const stats: { method: string; dropped: number }[] = [];
      view.on('stats', ({ method, dropped }) => stats.push({ method, dropped }));
      const complete = (): boolean => {
        const last = stats.at(-1);
        return stats.length > 3 && last?.dropped === 0;
      };
      for (let i = 0; i < 400 && !complete(); i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await runtime.dispose();
      canvas.remove();
      return stats.at(-1) ?? {};
    };
    return [await shown(), await shown(2 ** 20)];
  }, file.toString('base64'));
  expect(seen).toEqual([
    { method: 'tiles', dropped: 0 },
    { method: 'quads', dropped: 0 },
  ]);
});

interface Shown {
  runtime: import('../src/index.ts').Runtime;
  scene: import('../src/index.ts').Scene;
  a: import('../src/index.ts').Avatar;
  b: import('../src/index.ts').Avatar;
  load(bytes: number[]): Promise<import('../src/index.ts').Avatar>;
}
