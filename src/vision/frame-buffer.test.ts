import { describe, expect, it } from 'vitest';
import { type Frame, frameSize } from './frame-buffer.ts';

describe('the size of a frame', () => {
  it('is what is shown of it', () => {
    expect(frameSize({ displayWidth: 3, displayHeight: 2 } as VideoFrame)).toEqual({
      width: 3,
      height: 2,
    });
    expect(frameSize({ videoWidth: 5, videoHeight: 4 } as HTMLVideoElement)).toEqual({
      width: 5,
      height: 4,
    });
  });

  it.each<[string, object]>([
    ['a closed VideoFrame', { displayWidth: 0, displayHeight: 0 }],
    ['a video without a picture yet', { videoWidth: 0, videoHeight: 0 }],
    ['a closed ImageBitmap', { width: 0, height: 0 }],
    ['a canvas of no height', { width: 8, height: 0 }],
  ])('%s has none, and a typed error says so', (_, frame) => {
    expect(() => frameSize(frame as Frame)).toThrowError(
      expect.objectContaining({ code: 'invalid-argument', where: 'vision/frame' }),
    );
  });
});
