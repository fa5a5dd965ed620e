import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import type { MapPlace } from '../kernels/feature-map.ts';
import { type FrameFormat, frameLayout } from '../kernels/frame-format.ts';
import { fitFrame, frameSettingsBytes, packFrameSettings } from '../kernels/frame-settings.ts';
import { letterboxReference } from '../kernels/letterbox.ref.ts';
import { mapOf, readFloats } from '../testing/network-maps.ts';
import { Random } from '../testing/random.ts';
import { FramePlanes } from './frame-planes.ts';

const input: MapPlace = { offset: 1, stride: 1, groups: 1, height: 32, width: 64 };
const limited = {
  primaries: 'bt709',
  transfer: 'bt709',
  matrix: 'bt709',
  fullRange: false,
} as const;

interface FrameOptions {
  colorSpace?: VideoColorSpaceInit;
  visibleRect?: DOMRectInit;
  displayWidth?: number;
  displayHeight?: number;
}

/** A frame of random bytes, as a decoder gives it. */
function frameOf(
  format: VideoPixelFormat,
  [codedWidth, codedHeight]: readonly [number, number],
  seed: number,
  options: FrameOptions = {},
): VideoFrame {
  const random = new Random(seed);
  const bytes = Uint8Array.from({ length: codedWidth * codedHeight * 6 }, () => {
    return random.uint32() & 255;
  });
  return new VideoFrame(bytes, { format, codedWidth, codedHeight, timestamp: 0, ...options });
}

describe('frames in memory', () => {
  let gpu: Gpu;
  let arena: GPUBuffer;
  let settings: GPUBuffer;
  let planes: FramePlanes;
  beforeAll(async () => {
    gpu = await Gpu.create();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    arena = gpu.createBuffer('arena', (1 + input.height * input.width) * 16, usage);
    settings = gpu.createBuffer('settings', frameSettingsBytes, usage);
    planes = new FramePlanes(gpu, { input, storage: 'f32', arena, settings });
  });
  afterAll(() => {
    planes.dispose();
    for (const buffer of [arena, settings]) gpu.destroyBuffer(buffer);
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** The network's input from a frame that is copied. */
  async function copied(frame: VideoFrame, slot: number): Promise<Float32Array> {
    const form = planes.formOf(frame);
    if (!form) throw new Error(`a frame of ${frame.format} has no form`);
    const size = { width: frame.displayWidth, height: frame.displayHeight };
    await planes.open(form.format, size);
    const taken = await planes.take(frame, form.colours, slot);
    if (!taken) throw new Error('the browser gave no bytes');
    const packed = packFrameSettings({
      scoreThreshold: 0,
      overlapThreshold: 0,
      ...fitFrame(size, input, 'letterbox'),
      frameWidth: size.width,
      frameHeight: size.height,
      ...taken.settings,
    });
    gpu.write(settings, 0, packed);
    gpu.submit([taken.input], 1, undefined, taken.copy);
    taken.submitted();
    return mapOf(await readFloats(gpu, arena), input);
  }

  /** The largest difference from the reference, which reads the bytes that the browser gives to anyone. */
  async function worstOf(frame: VideoFrame, slot: number): Promise<number> {
    const format = frame.format as FrameFormat;
    const size = { width: frame.displayWidth, height: frame.displayHeight };
    const layout = frameLayout(format, size);
    const bytes = new Uint8Array(layout.bytes);
    await frame.copyTo(bytes, { layout: layout.planes });
    const colours = planes.formOf(frame)?.colours;
    if (!colours) throw new Error('no colours');
    const { rowPixels } = layout;
    const expected = letterboxReference({ format, ...size, rowPixels, colours, bytes }, input);
    const actual = await copied(frame, slot);
    return expected.reduce(
      (worst, value, i) => Math.max(worst, Math.abs(value - (actual[i] ?? Number.NaN))),
      0,
    );
  }

  it.each<[string, VideoPixelFormat, readonly [number, number], FrameOptions]>([
    ['I420', 'I420', [160, 96], {}],
    ['I420 of odd sides', 'I420', [131, 77], {}],
    ['I420 in full range', 'I420', [64, 48], { colorSpace: { ...limited, fullRange: true } }],
    ['I420 by BT.601', 'I420', [64, 48], { colorSpace: { ...limited, matrix: 'smpte170m' } }],
    [
      'I420, a part of it',
      'I420',
      [96, 64],
      { visibleRect: { x: 16, y: 8, width: 62, height: 39 } },
    ],
    ['NV12', 'NV12', [160, 96], {}],
    ['NV12 of odd sides', 'NV12', [45, 29], {}],
    [
      'NV12, a part of it',
      'NV12',
      [96, 64],
      { visibleRect: { x: 2, y: 4, width: 61, height: 33 } },
    ],
    ['RGBA', 'RGBA', [45, 29], {}],
    [
      'BGRA, a part of it',
      'BGRA',
      [96, 64],
      { visibleRect: { x: 3, y: 5, width: 61, height: 33 } },
    ],
    ['BGRX', 'BGRX', [64, 32], {}],
  ])('%s is what the reference makes of its bytes', async (name, format, size, options) => {
    const frame = frameOf(format, size, name.length, options);
    expect(await worstOf(frame, 0)).toBeLessThan(2e-5);
    frame.close();
  });

  it('a hundred frames of a source are told apart, in the same memory and with nothing made', async () => {
    const frames = Array.from({ length: 5 }, (_, i) => frameOf('I420', [64, 48], 900 + i));
    const first = await copied(frames[0] as VideoFrame, 0);
    const before = gpu.stats();
    for (let i = 1; i < 100; i += 1) {
      const frame = frames[i % frames.length] as VideoFrame;
      const seen = await copied(frame, i % 3);
      expect(seen.every((value, at) => value === first[at])).toBe(i % frames.length === 0);
    }
    const after = gpu.stats();
    expect([after.gpuBytes, after.pipelines, after.calls.bindGroups]).toEqual([
      before.gpuBytes,
      before.pipelines,
      before.calls.bindGroups,
    ]);
    for (const frame of frames) frame.close();
  });

  it('has no form for frames that the browser has to turn, to stretch or to convert, and for closed ones', () => {
    const others = [
      frameOf('I420', [64, 48], 1, { displayWidth: 80, displayHeight: 48 }),
      frameOf('I420', [64, 48], 1, { colorSpace: { ...limited, primaries: 'smpte170m' } }),
      frameOf('I444', [64, 48], 1),
      Object.defineProperty(frameOf('I420', [64, 48], 1), 'rotation', { value: 180 }),
      Object.defineProperty(frameOf('I420', [64, 48], 1), 'format', { value: null }),
    ];
    for (const frame of others) {
      expect(planes.formOf(frame)).toBeNull();
      frame.close();
    }
    const closed = frameOf('I420', [64, 48], 1);
    expect(planes.formOf(closed)?.format).toBe('I420');
    closed.close();
    expect(planes.formOf(closed)).toBeNull();
    expect(planes.formOf({ width: 4, height: 4 } as ImageBitmap)).toBeNull();
  });

  it('says so where the browser gives no bytes', async () => {
    const frame = frameOf('I420', [64, 48], 2);
    frame.copyTo = () => Promise.reject(new DOMException('no', 'NotSupportedError'));
    const form = planes.formOf(frame);
    if (!form) throw new Error('no form');
    await planes.open(form.format, { width: 64, height: 48 });
    expect(await planes.take(frame, form.colours, 0)).toBeNull();
    frame.close();
  });
});
