/** Runs in the page: this library and onnxruntime-web behind one interface. `window.frameEngines` makes them. */

const [height, width] = [384, 672];

window.frameEngines = { vitrail, networkAlone, onnxruntime };

/** Frames of a network alone that are under way, of either engine: enough for the GPU never to wait for the page. */
const underWay = 4;

/**
 * Milliseconds of `count` frames that are submitted one after another, and of one alone.
 * @param {{ submit: () => unknown, done: () => Promise<unknown> }} engine
 */
function timedNetwork({ submit, done }) {
  return {
    async one() {
      const began = performance.now();
      await submit();
      await done();
      return performance.now() - began;
    },
    async many(count) {
      const began = performance.now();
      const ends = [];
      for (let i = 0; i < count; i += 1) {
        await submit();
        ends.push(done());
        if (ends.length >= underWay) await ends.shift();
      }
      await Promise.all(ends);
      return performance.now() - began;
    },
  };
}

/** Our network alone, its input and outputs on the GPU, on the page's thread: as the peer's. */
async function networkAlone({ weights, shapes }) {
  const file = shapes ? randomFile(shapes) : await (await fetch(weights)).blob();
  const network = await window.openNetwork(new Uint8Array(await file.arrayBuffer()));
  network.submit();
  await network.done();
  return timedNetwork(network);
}

/**
 * The detector as a page has it: `attach` shows frames on a canvas. The bench gives the frames: the source is an image, and what the
 * browser is asked for as its bitmap is a frame that the bench holds, so that decoding pictures is not what is timed.
 */
async function vitrail({ weights, shapes, image, source, way, frameSize }) {
  const runtime = await window.vitrail.createRuntime({ powerPreference: 'high-performance' });
  await window.watchNewWorker();
  const file = shapes ? randomFile(shapes) : await (await fetch(weights)).blob();
  const detector = await runtime.loadDetector(file);
  const picture = await loadImage(image);
  giveFrames(picture, frameSize, source);
  const canvas = document.createElement('canvas');
  document.body.append(canvas);
  const view = detector.attach(picture, canvas, way ? { way } : {});
  let failed = null;
  let onResult = () => undefined;
  view.on('error', (error) => {
    failed = error;
    onResult(null);
  });
  let last = null;
  view.on('result', (result) => {
    last = result;
    onResult(result);
  });
  await nextResult();

  function nextResult() {
    return new Promise((resolve, reject) => {
      onResult = (result) => (failed ? reject(failed) : resolve(result));
    });
  }
  return {
    info: async () => {
      const { adapter, tier } = runtime.info;
      const { gpuBytes } = await runtime.stats();
      return { adapter, tier, gpuBytes };
    },
    /** How the last frame came to the GPU. */
    way: () => last.way,
    /** Milliseconds from the frame to its answer, nothing else under way. */
    async one() {
      const began = performance.now();
      const result = nextResult();
      view.setOptions({});
      await result;
      return performance.now() - began;
    },
    /** Milliseconds of `count` frames, as many under way as the library allows. */
    many(count) {
      return new Promise((resolve, reject) => {
        let answered = 0;
        const began = performance.now();
        onResult = () => {
          answered += 1;
          if (failed) reject(failed);
          else if (answered >= count) {
            onResult = () => undefined;
            resolve(performance.now() - began);
          } else fill();
        };
        // One that goes now, one that goes as soon as there is room.
        const fill = () => {
          view.setOptions({});
          view.setOptions({});
        };
        fill();
      });
    },
    /** The frames under way after `many` have been answered. */
    settle: () => new Promise((resolve) => setTimeout(resolve, 300)),
    /** Boxes and masks of a picture of the network's own size. */
    detect: (bitmap) => detector.detect(bitmap, {}),
  };
}

/** Has `createImageBitmap` of the picture give frames of this size, made anew from one that is there. */
function giveFrames(picture, size, source) {
  const drawn = new OffscreenCanvas(size.width, size.height);
  drawn.getContext('2d').drawImage(picture, 0, 0, size.width, size.height);
  const original = window.createImageBitmap.bind(window);
  const first = source === 'bitmap' ? null : frameOf(drawn, source);
  window.createImageBitmap = (given, ...rest) => {
    if (given !== picture) return original(given, ...rest);
    return first ? first.clone() : original(drawn);
  };
}

function frameOf(drawn, source) {
  const timestamp = 0;
  if (source === 'video') return new VideoFrame(drawn, { timestamp });
  if (source === 'canvas') return new VideoFrame(drawnByGpu(drawn), { timestamp });
  const formats = { i420: 'I420', nv12: 'NV12' };
  if (!formats[source]) throw new Error(`no source '${source}'`);
  return decodedFrame(drawn, formats[source]);
}

/** The picture as a software decoder or a camera leaves it in memory: BT.709, limited range. */
function decodedFrame(drawn, format) {
  const { width, height } = drawn;
  const { data } = drawn.getContext('2d').getImageData(0, 0, width, height);
  const [columns, rows] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const [behind, half] = [width * height, columns * rows];
  const bytes = new Uint8Array(behind + 2 * half);
  for (let i = 0; i < behind; i += 1) {
    const [r, g, b] = data.subarray(i * 4, i * 4 + 3);
    const grey = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    bytes[i] = 16 + (grey * 219) / 255;
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x % 2 === 1 || y % 2 === 1) continue;
    const cell = (y / 2) * columns + x / 2;
    const [u, v] = format === 'NV12' ? [cell * 2, cell * 2 + 1] : [cell, half + cell];
    bytes[behind + u] = 128 + ((b - grey) * 224) / 255 / 1.8556;
    bytes[behind + v] = 128 + ((r - grey) * 224) / 255 / 1.5748;
  }
  const colours = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false };
  return new VideoFrame(bytes, {
    format,
    codedWidth: width,
    codedHeight: height,
    timestamp: 0,
    colorSpace: colours,
  });
}

/** The same picture on a canvas that the GPU drew. */
function drawnByGpu(picture) {
  const { width, height } = picture;
  const gl = new OffscreenCanvas(width, height).getContext('webgl2', {
    antialias: false,
    preserveDrawingBuffer: true,
  });
  if (!gl) throw new Error('the GPU draws no canvases here');
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
  gl.bindFramebuffer(gl.READ_FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.READ_FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  // Rows of WebGL go up.
  gl.blitFramebuffer(0, 0, width, height, 0, height, width, 0, gl.COLOR_BUFFER_BIT, gl.NEAREST);
  return gl.canvas;
}

async function loadImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/** A safetensors file of random numbers, small enough for activations to stay ordinary, and no cell a vehicle. */
function randomFile({ metadata, tensors }) {
  const header = { __metadata__: metadata };
  let end = 0;
  for (const [name, shape] of tensors) {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const values = new Float32Array(end / 4);
  let state = 12_345;
  for (const [name, shape] of tensors) {
    const [from, to] = header[name].data_offsets.map((offset) => offset / 4);
    const isScore = /vehicle\.\d\.2\.bias$/.test(name);
    const scale = name.endsWith('.bias')
      ? 0.02
      : Math.sqrt(6 / shape.slice(1).reduce((a, b) => a * b, 1));
    for (let i = from; i < to; i += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      values[i] = isScore ? -8 : scale * (state / 2 ** 31 - 1);
    }
  }
  return new Blob([new BigUint64Array([BigInt(text.length)]), text, values]);
}

/**
 * The network alone, input and outputs on the GPU, in buffers that stay. Without graph capture: it fails on buffers that it is given
 * (1.30.0, "Required member is undefined").
 */
async function onnxruntime({ model, half }) {
  const peer = (name) => new URL(`/peers/${name}`, location.href).href;
  const ort = await import(peer('ort.webgpu.bundle.min.mjs'));
  ort.env.wasm.wasmPaths = peer('');
  ort.env.webgpu.powerPreference = 'high-performance';
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['webgpu'],
    preferredOutputLocation: 'gpu-buffer',
  });
  const device = await ort.env.webgpu.device;
  const dataType = half ? 'float16' : 'float32';
  const buffers = [];
  const tensor = (dims) => {
    const elements = dims.reduce((product, side) => product * side, 1);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const size = Math.ceil((elements * (half ? 2 : 4)) / 16) * 16;
    const buffer = device.createBuffer({ size, usage });
    buffers.push(buffer);
    return ort.Tensor.fromGpuBuffer(buffer, { dataType, dims });
  };
  const image = tensor([1, 3, height, width]);
  const maps = [8, 16, 32].map((stride) => tensor([1, 65, height / stride, width / stride]));
  const masks = [tensor([1, 2, height, width]), tensor([1, 2, height, width])];
  const outputs = { detect0: maps[0], detect1: maps[1], detect2: maps[2] };
  Object.assign(outputs, { drivable: masks[0], lanes: masks[1] });
  const run = () => session.run({ image }, outputs);
  const done = () => device.queue.onSubmittedWorkDone();
  await run();
  await done();
  return {
    ...timedNetwork({ submit: run, done }),
    /** Bits of both masks of a picture of the network's own size. */
    async masks(pixels) {
      const planes = new Float32Array(3 * height * width);
      for (let i = 0; i < height * width; i += 1)
        for (let c = 0; c < 3; c += 1) planes[c * height * width + i] = pixels[i * 4 + c] / 255;
      device.queue.writeBuffer(buffers[0], 0, half ? new Float16Array(planes) : planes);
      await run();
      return Promise.all(buffers.slice(-2).map(bits));
    },
  };

  async function bits(buffer) {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    const staging = device.createBuffer({ size: buffer.size, usage });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    const logits = half ? new Float16Array(bytes) : new Float32Array(bytes);
    const pixels = height * width;
    return Uint8Array.from({ length: pixels }, (_, i) => (logits[pixels + i] > logits[i] ? 1 : 0));
  }
}
