import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import { Gpu } from '../gpu/gpu.ts';
import { boxCandidatesReference } from '../kernels/box-candidates.ref.ts';
import { type FrameSettings, fitFrame, noColours } from '../kernels/frame-settings.ts';
import { keepBoxesReference } from '../kernels/keep-boxes.ref.ts';
import { letterboxReference } from '../kernels/letterbox.ref.ts';
import { rankBoxesReference } from '../kernels/rank-boxes.ref.ts';
import type { Candidate } from '../testing/boxes.ts';
import { fetchFile } from '../testing/data.ts';
import { mapOf, readFloats } from '../testing/network-maps.ts';
import { Random } from '../testing/random.ts';
import { withMetadata } from '../testing/safetensors-metadata.ts';
import { detectorConfig } from './detector-config.ts';
import { FrameDetector } from './frame-detector.ts';
import type { LiveScreen } from './live-screen.ts';
import { Network } from './network.ts';
import { WeightFile } from './weight-file.ts';

const size = { width: 320, height: 240 };

/** Smooth colours with hard edges: something for every layer to answer to. */
function picture(seed: number): ImageData {
  const random = new Random(seed);
  const image = new ImageData(size.width, size.height);
  const waves = Array.from({ length: 9 }, () => random.uniform(0.01, 0.12));
  for (let i = 0; i < size.width * size.height; i += 1) {
    const [x, y] = [i % size.width, Math.floor(i / size.width)];
    for (let channel = 0; channel < 3; channel += 1) {
      const [a = 0, b = 0, c = 0] = waves.slice(channel * 3);
      const value = Math.sin(a * x + b * y) + Math.sign(Math.sin(c * (x - y)));
      image.data[i * 4 + channel] = 127 + 60 * value;
    }
    image.data[i * 4 + 3] = 255;
  }
  return image;
}

/** The same weights for images of 32 × 32. */
function withSmallestInput(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const { metadata } = new WeightFile(file);
  const strings = [...metadata].map(([key, value]) => [key, String(value)]);
  return withMetadata(file, { ...Object.fromEntries(strings), height: '32', width: '32' });
}

describe('a detector', () => {
  let gpu: Gpu;
  let bytes: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    gpu = await Gpu.create();
    bytes = await fetchFile('/e2e/fixtures/vision/a-yolom-tiny.safetensors');
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** The network's maps of a picture that the reference letterboxed, and what the references make of them. */
  async function expected(image: ImageData, scoreThreshold: number, overlapThreshold: number) {
    const file = new WeightFile(bytes);
    const config = detectorConfig(file);
    const graph = config.graph(config.height, config.width);
    const network = await Network.create(gpu, graph, file, 'f32');
    const { input } = network;
    const frame = {
      ...size,
      format: 'RGBX',
      rowPixels: size.width,
      colours: noColours,
      bytes: new Uint8Array(image.data.buffer),
    } as const;
    const pixels = Float32Array.from(letterboxReference(frame, input));
    gpu.write(network.arena, input.offset * 16, pixels);
    gpu.submit(network.dispatches, 1);
    const arena = await readFloats(gpu, network.arena);
    const settings: FrameSettings = {
      scoreThreshold,
      overlapThreshold,
      ...fitFrame(size, input, 'letterbox'),
      frameWidth: size.width,
      frameHeight: size.height,
      rowPixels: size.width,
      colours: noColours,
    };
    let firstCell = 0;
    const candidates = [8, 16, 32].flatMap((stride, scale) => {
      const [box, score] = [network.output(`box${scale}`), network.output(`score${scale}`)];
      const use = { score, classes: 1, stride, firstCell };
      firstCell += score.height * score.width;
      return boxCandidatesReference(use, settings, mapOf(arena, box), mapOf(arena, score));
    });
    const lanes = mapOf(arena, network.output('lanes'));
    network.dispose();
    const ranked = rankBoxesReference(candidates);
    return { candidates, kept: keepBoxesReference(ranked, overlapThreshold, 300), lanes, settings };
  }

  it('gives the boxes and masks of the references', async () => {
    const image = picture(91);
    // Untrained, the model scores every cell low.
    const [threshold, overlap] = [3.5e-3, 0.45];
    const { candidates, kept, lanes, settings } = await expected(image, threshold, overlap);
    expect(candidates.length).toBeGreaterThan(kept.length);
    expect(kept.length).toBeGreaterThan(3);
    const detector = await FrameDetector.create(gpu, bytes);
    const bitmap = await createImageBitmap(image);
    const detection = await detector.detect(bitmap, { threshold, overlap });
    expect(detection.boxes.length).toBe(kept.length);
    detection.boxes.forEach((box, i) => {
      const { corners, score } = kept[i] as Candidate;
      const [x0, y0, x1, y1] = corners;
      expect(Math.abs(box.score - score)).toBeLessThan(1e-3);
      const worst = [box.x - x0, box.y - y0, box.x + box.width - x1, box.y + box.height - y1];
      expect(Math.max(...worst.map(Math.abs)), `box ${i}`).toBeLessThan(0.1);
    });
    let agreed = 0;
    detection.lanes.data.forEach((bit, i) => {
      const x = Math.floor(settings.left + ((i % size.width) + 0.5) * settings.scaleX);
      const y = Math.floor(settings.top + (Math.floor(i / size.width) + 0.5) * settings.scaleY);
      const at = (y * 672 + x) * 4;
      if ((lanes[at + 1] ?? 0) > (lanes[at] ?? 0) === (bit === 1)) agreed += 1;
    });
    expect(agreed / detection.lanes.data.length).toBeGreaterThan(0.999);
    expect(detection.drivable.data.length).toBe(size.width * size.height);
    await detector.dispose();
    bitmap.close();
  });

  it('answers frame after frame in the same memory, and the last of several sizes alike', async () => {
    const detector = await FrameDetector.create(gpu, bytes);
    const bitmap = await createImageBitmap(picture(92));
    const small = await createImageBitmap(picture(93), 0, 0, 100, 50);
    const first = await detector.detect(bitmap);
    const before = gpu.stats();
    for (let frame = 0; frame < 3; frame += 1) await detector.detect(bitmap);
    const after = gpu.stats();
    expect([after.gpuBytes, after.buffers]).toEqual([before.gpuBytes, before.buffers]);
    expect(after.calls.bindGroups).toBe(before.calls.bindGroups);
    const [, again] = await Promise.all([detector.detect(small), detector.detect(bitmap)]);
    expect(again.boxes).toEqual(first.boxes);
    await detector.dispose();
    bitmap.close();
    small.close();
  });

  it('refuses closed VideoFrames, and frames of any size after them are answered', async () => {
    const detector = await FrameDetector.create(gpu, withSmallestInput(bytes));
    const bitmap = await createImageBitmap(picture(96));
    const frame = new VideoFrame(bitmap, { timestamp: 0 });
    frame.close();
    await expect(detector.detect(frame)).rejects.toMatchObject({ code: 'invalid-argument' });
    // A live view's frames are refused before its screen sees them.
    const screen = { staging: [] } as unknown as LiveScreen;
    const shown = detector.show(screen, frame, 0);
    await expect(shown).rejects.toMatchObject({ code: 'invalid-argument', where: 'vision/frame' });
    const open = new VideoFrame(bitmap, { timestamp: 0 });
    const asked = detector.show(screen, open, 0, { way: 'post' as 'copy' });
    await expect(asked).rejects.toMatchObject({
      code: 'invalid-argument',
      where: 'vision/options',
    });
    expect(open.format).toBeNull();
    const pixel = await createImageBitmap(picture(96), 0, 0, 1, 1);
    expect((await detector.detect(pixel)).lanes).toMatchObject({ width: 1, height: 1 });
    await detector.dispose();
    for (const one of [bitmap, pixel]) one.close();
  });

  it('refuses closed frames, wrong options and use after its end, and stays usable between', async () => {
    const detector = await FrameDetector.create(gpu, bytes);
    const closed = await createImageBitmap(picture(94));
    closed.close();
    await expect(detector.detect(closed)).rejects.toMatchObject({ code: 'invalid-argument' });
    const bitmap = await createImageBitmap(picture(94));
    const video = new VideoFrame(bitmap, { timestamp: 0 });
    video.close();
    await expect(detector.detect(video)).rejects.toMatchObject({ code: 'invalid-argument' });
    const pixel = await createImageBitmap(bitmap, 0, 0, 1, 1);
    expect((await detector.detect(pixel)).lanes).toMatchObject({ width: 1, height: 1 });
    await expect(detector.detect(bitmap, { threshold: 2 })).rejects.toBeInstanceOf(VitrailError);
    expect((await detector.detect(bitmap, { threshold: 1 })).boxes).toEqual([]);
    await detector.dispose();
    await expect(detector.detect(bitmap)).rejects.toMatchObject({ code: 'invalid-argument' });
    bitmap.close();
    pixel.close();
  });
});
