import { describe, expect, it } from 'vitest';
import { frameColours, frameLayout, isFrameFormat } from './frame-format.ts';
import { noColours } from './frame-settings.ts';

const bt709 = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false } as const;

describe('how a frame lies in memory', () => {
  it('is told by its format, odd sides rounded up in planes', () => {
    expect(frameLayout('RGBA', { width: 5, height: 3 })).toEqual({
      planes: [{ offset: 0, stride: 20 }],
      rowPixels: 5,
      bytes: 60,
    });
    expect(frameLayout('NV12', { width: 5, height: 3 })).toEqual({
      planes: [
        { offset: 0, stride: 6 },
        { offset: 18, stride: 6 },
      ],
      rowPixels: 6,
      bytes: 30,
    });
    expect(frameLayout('I420', { width: 5, height: 3 })).toEqual({
      planes: [
        { offset: 0, stride: 6 },
        { offset: 18, stride: 3 },
        { offset: 24, stride: 3 },
      ],
      rowPixels: 6,
      bytes: 30,
    });
    expect(['I420', 'NV12', 'BGRX', 'I420P10', 'toString', null].map(isFrameFormat)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('the colours of planes', () => {
  /** Red, green and blue in 0..255 of y, u, v. */
  function rgb(space: VideoColorSpaceInit, [y, u, v]: readonly [number, number, number]): number[] {
    const colours = frameColours('I420', space);
    if (!colours) throw new Error('colours are not known');
    const grey = (y - colours.lumaZero) * colours.lumaScale;
    const green = colours.greenU * (u - 128) + colours.greenV * (v - 128);
    const added = [colours.redV * (v - 128), green, colours.blueU * (u - 128)];
    return added.map((value) => Math.round((grey + value) * 255));
  }

  it.each<[string, VideoColorSpaceInit, number[]]>([
    // What Chromium's importExternalTexture gives for y, u, v = 120, 90, 190.
    ['bt709, limited', bt709, [232, 96, 41]],
    ['bt709, full', { ...bt709, fullRange: true }, [218, 98, 49]],
    ['bt601, limited', { ...bt709, matrix: 'smpte170m' }, [220, 86, 44]],
    ['bt601 of a JPEG', { ...bt709, matrix: 'smpte170m', fullRange: true }, [207, 89, 53]],
  ])('%s', (_, space, expected) => {
    expect(rgb(space, [120, 90, 190])).toEqual(expected);
  });

  it('black and white are black and white', () => {
    for (const matrix of ['bt709', 'smpte170m', 'bt470bg'] as const) {
      expect(rgb({ ...bt709, matrix }, [16, 128, 128])).toEqual([0, 0, 0]);
      expect(rgb({ ...bt709, matrix }, [235, 128, 128])).toEqual([255, 255, 255]);
    }
  });

  it('are left to the browser where primaries or curve are others, or nothing is said', () => {
    const others: VideoColorSpaceInit[] = [
      { ...bt709, primaries: 'smpte170m' },
      { ...bt709, transfer: 'linear' as VideoTransferCharacteristics },
      { ...bt709, matrix: 'rgb' },
      { ...bt709, fullRange: null },
      { primaries: null, transfer: null, matrix: null, fullRange: null },
    ];
    for (const space of others) expect(frameColours('NV12', space)).toBeNull();
    const rgbSpace = { ...bt709, transfer: 'iec61966-2-1', matrix: 'rgb' } as const;
    expect(frameColours('BGRA', rgbSpace)).toBe(noColours);
    expect(frameColours('BGRA', bt709)).toBeNull();
  });
});
