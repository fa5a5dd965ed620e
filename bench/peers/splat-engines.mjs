/** The two engines that draw splats, each behind `open(scene, size)`. Runs in the page that splats.mjs serves. */
import { SparkRenderer, SplatMesh } from '@sparkjsdev/spark';
import { PerspectiveCamera, Scene, WebGLRenderer } from 'three';
import { syntheticSplats } from './synthetic-splats.mjs';

/** Degrees that the camera goes around its target from frame to frame, for both. */
const turn = 0.25;

window.engines = { vitrail, spark };
window.bytesOf = async ({ url, count }) =>
  url ? new Uint8Array(await (await fetch(url)).arrayBuffer()) : syntheticSplats(count);

async function vitrail(bytes, { size }) {
  const runtime = await window.vitrail.createRuntime();
  const avatar = await runtime.loadAvatar(new Blob([bytes]));
  const { adapter, tier } = runtime.info;
  return {
    info: { adapter, tier, splats: avatar.info.splats },
    camera: avatar.info.camera,
    picture: async () =>
      (await avatar.render({ width: size, height: size, background: [0, 0, 0] })).data,
    /** Frames a second of GPU work: all are queued, then waited for. Each is sorted. */
    async run(method, frames) {
      const { ms } = await avatar.measure({ width: size, height: size, frames, method, turn });
      return { perSecond: 1000 / ms.queued, sorts: frames, ...rounded(ms) };
    },
    dispose: () => runtime.dispose(),
  };
}

function rounded({ queued: _queued, ...ms }) {
  return {
    ms: Object.fromEntries(Object.entries(ms).map(([name, v]) => [name, Number(v.toPrecision(4))])),
  };
}

/** Spark with its defaults; levels of detail are off, so that both draw all splats. */
async function spark(bytes, { size, camera: place, fileName }) {
  const renderer = new WebGLRenderer({ antialias: false, powerPreference: 'high-performance' });
  renderer.setPixelRatio(1);
  renderer.setSize(size, size, false);
  renderer.setClearColor(0x000000, 1);
  const gl = renderer.getContext();
  const scene = new Scene();
  const drawer = new SparkRenderer({ renderer, enableLod: false });
  const mesh = new SplatMesh({ fileBytes: bytes.slice(), fileName, lod: false });
  await mesh.initialized;
  // Vitrail turns SPZ to the axes of the other formats; Spark leaves each as it is.
  if (fileName.endsWith('.spz')) mesh.quaternion.set(1, 0, 0, 0);
  scene.add(drawer, mesh);
  const camera = new PerspectiveCamera(place.fovY, 1, 0.01, 1000);
  const pixel = new Uint8Array(4);
  let sorts = 0;
  const aim = (frame) => {
    camera.up.set(...place.up);
    camera.position.set(...around(place, frame * turn));
    camera.lookAt(...place.target);
    camera.updateMatrixWorld();
  };
  const finish = () => {
    gl.finish();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  };
  /** Draws until the order is of the last camera. */
  const settle = async () => {
    drawer.autoUpdate = true;
    for (let i = 0; i < 4; i += 1) {
      renderer.render(scene, camera);
      do await task();
      while (drawer.sorting || drawer.sortDirty);
    }
  };
  aim(0);
  await settle();
  const call = drawer.sortWorker.call.bind(drawer.sortWorker);
  drawer.sortWorker.call = (name, ...rest) => {
    if (name === 'sortSplats32') sorts += 1;
    return call(name, ...rest);
  };
  const ways = {
    /** As on a page: the sort goes on in its worker while frames are drawn, many in a queue. */
    async free(frames) {
      for (let frame = 0; frame < frames; frame += 1) {
        aim(frame);
        renderer.render(scene, camera);
        await task();
      }
    },
    /** All frames in one task: the sort cannot end, so this is drawing alone, in an old order. */
    async unsorted(frames) {
      for (let frame = 0; frame < frames; frame += 1) {
        aim(frame);
        renderer.render(scene, camera);
      }
    },
    /** Each frame in its own order, as Vitrail's are. */
    async sorted(frames) {
      drawer.autoUpdate = false;
      for (let frame = 0; frame < frames; frame += 1) {
        aim(frame);
        await drawer.update({ scene, camera });
        renderer.render(scene, camera);
      }
    },
  };
  return {
    info: { splats: mesh.splats?.getNumSplats() ?? drawer.activeSplats, gpu: gpuName(gl) },
    async picture() {
      aim(0);
      await settle();
      renderer.render(scene, camera);
      const rows = new Uint8Array(size * size * 4);
      gl.readPixels(0, 0, size, size, gl.RGBA, gl.UNSIGNED_BYTE, rows);
      return upright(rows, size);
    },
    async run(way, frames) {
      aim(0);
      await settle();
      finish();
      sorts = 0;
      const began = performance.now();
      await ways[way](frames);
      finish();
      const perSecond = (1000 * frames) / (performance.now() - began);
      return { perSecond, sorts };
    },
    async dispose() {
      await settle();
      mesh.dispose();
      drawer.dispose();
      renderer.dispose();
      renderer.forceContextLoss();
    },
  };
}

/** Where a camera stands that went around its target about its up axis. */
function around({ position, target, up }, degrees) {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const arm = position.map((value, i) => value - target[i]);
  const along = arm.reduce((sum, value, i) => sum + value * up[i], 0);
  return arm.map((value, i) => {
    const [j, k] = [(i + 1) % 3, (i + 2) % 3];
    const across = up[j] * arm[k] - up[k] * arm[j];
    return target[i] + value * c + across * s + up[i] * along * (1 - c);
  });
}

/** WebGL's rows begin at the bottom. */
function upright(rows, size) {
  const flipped = new Uint8ClampedArray(rows.length);
  for (let y = 0; y < size; y += 1) {
    flipped.set(rows.subarray(y * size * 4, (y + 1) * size * 4), (size - 1 - y) * size * 4);
  }
  return flipped;
}

function gpuName(gl) {
  const extension = gl.getExtension('WEBGL_debug_renderer_info');
  return gl.getParameter(extension ? extension.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
}

/** The next task: workers' answers come before it. */
function task() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(0);
  });
}
