import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { fetchData, fetchFile, hasData } from '../testing/data.ts';
import { withMetadata } from '../testing/safetensors-metadata.ts';
import type { DetectedBox } from '../types.ts';
import { FrameDetector } from './frame-detector.ts';
import { WeightFile } from './weight-file.ts';

interface Expected {
  width: number;
  height: number;
  threshold: number;
  overlap: number;
  /** Corners, score, class. */
  boxes: [x0: number, y0: number, x1: number, y1: number, score: number, label: number][];
}

/** The picture that `train/yolov8/fixture.py` draws. */
function waves(width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  const channels = [
    [0.05, 0.11, 0.09],
    [0.12, 0.03, 0.21],
    [0.02, 0.16, 0.14],
  ] as const;
  for (let i = 0; i < width * height; i += 1) {
    const [x, y] = [i % width, Math.floor(i / width)];
    channels.forEach(([a, b, c], channel) => {
      const value = 127 + 60 * (Math.sin(a * x + b * y) + Math.sign(Math.sin(c * (x - y))));
      image.data[i * 4 + channel] = Math.floor(Math.min(255, Math.max(0, value)));
    });
    image.data[i * 4 + 3] = 255;
  }
  return image;
}

function intersectionOverUnion(box: DetectedBox, other: Expected['boxes'][number]): number {
  const [x0, y0, x1, y1] = other;
  const across = Math.min(box.x + box.width, x1) - Math.max(box.x, x0);
  const down = Math.min(box.y + box.height, y1) - Math.max(box.y, y0);
  const shared = Math.max(0, across) * Math.max(0, down);
  return shared / (box.width * box.height + (x1 - x0) * (y1 - y0) - shared);
}

describe('detectors of other architectures against PyTorch', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  it('YOLOv8, recognised by its tensors, finds the same boxes and has no masks', async () => {
    const folder = '/e2e/fixtures/vision';
    const text = new TextDecoder().decode(await fetchFile(`${folder}/yolov8-tiny.json`));
    const { width, height, boxes, ...options }: Expected = JSON.parse(text);
    const file = await fetchFile(`${folder}/yolov8-tiny.safetensors`);
    const bytes = withMetadata(file, { height: `${height}`, width: `${width}` });
    const detector = await FrameDetector.create(gpu, bytes);
    expect(detector.info).toMatchObject({ architecture: 'yolov8', width, height, masks: [] });
    const bitmap = await createImageBitmap(waves(width, height));
    const { threshold, overlap } = options;
    const detection = await detector.detect(bitmap, { threshold, overlap });
    expect(detection.boxes).toHaveLength(boxes.length);
    detection.boxes.forEach((box, i) => {
      const wanted = boxes[i] as Expected['boxes'][number];
      expect(box.label).toBe(`class ${wanted[5]}`);
      expect(Math.abs(box.score - wanted[4])).toBeLessThan(0.01);
      expect(intersectionOverUnion(box, wanted)).toBeGreaterThanOrEqual(0.95);
    });
    for (const mask of [detection.drivable, detection.lanes]) expect(mask.data).toHaveLength(0);
    await detector.dispose();
    bitmap.close();
  });

  it.skipIf(!hasData())(
    'TwinLiteNet, as published, gives the same masks and no boxes',
    async () => {
      const path = '/e2e/fixtures/vision/twin-lite-net.reference.safetensors';
      const reference = new WeightFile(await fetchFile(path));
      const [width, height] = [64, 48];
      const pixels = width * height;
      const image = new ImageData(width, height);
      reference.values('image', [3, height, width]).forEach((value, i) => {
        image.data[(i % pixels) * 4 + Math.floor(i / pixels)] = Math.round(value * 255);
      });
      for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
      const file = await fetchData('weights/twinlitenet.safetensors');
      const bytes = withMetadata(file, { height: `${height}`, width: `${width}` });
      const detector = await FrameDetector.create(gpu, bytes);
      expect(detector.info).toMatchObject({ architecture: 'twin-lite-net', labels: [] });
      const bitmap = await createImageBitmap(image);
      const detection = await detector.detect(bitmap);
      expect(detection.boxes).toEqual([]);
      for (const name of ['drivable', 'lanes'] as const) {
        const logits = reference.values(name, [2, height, width]);
        const { data } = detection[name];
        expect(data).toHaveLength(pixels);
        const agreed = data.filter(
          (bit, i) => (bit === 1) === (logits[pixels + i] ?? 0) > (logits[i] ?? 0),
        );
        expect(agreed.length / pixels, name).toBeGreaterThanOrEqual(0.995);
      }
      await detector.dispose();
      bitmap.close();
    },
  );
});
