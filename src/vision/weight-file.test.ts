import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VitrailError, type VitrailErrorCode } from '../errors.ts';
import { detectorConfig } from './detector-config.ts';
import { WeightFile } from './weight-file.ts';

const file = new Uint8Array(readFileSync('e2e/fixtures/vision/a-yolom-tiny.safetensors'));

function codeOf(run: () => unknown): VitrailErrorCode | null {
  try {
    run();
    return null;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(VitrailError);
    return (thrown as VitrailError).code;
  }
}

/** The file with a text of its header replaced by one of the same length. */
function edited(from: string, to: string): Uint8Array {
  expect(to.length).toBe(from.length);
  const copy = file.slice();
  const at = new TextDecoder('latin1').decode(copy).indexOf(from);
  expect(at).toBeGreaterThan(0);
  copy.set(new TextEncoder().encode(to), at);
  return copy;
}

describe('a weight file', () => {
  it('says what network it holds', () => {
    expect(detectorConfig(new WeightFile(file))).toMatchObject({
      architecture: 'a-yolom',
      name: 'A-YOLOM',
      fit: 'letterbox',
      height: 384,
      width: 672,
      labels: ['vehicle'],
    });
  });

  it('refuses damaged files with typed errors', () => {
    expect(codeOf(() => new WeightFile(new Uint8Array(0)))).toBe('model-corrupt');
    expect(codeOf(() => new WeightFile(file.subarray(0, 1000)))).toBe('model-corrupt');
    expect(codeOf(() => new WeightFile(file.subarray(0, file.length - 1)))).toBe('model-corrupt');
    expect(codeOf(() => new WeightFile(new TextEncoder().encode('<!doctype html>')))).toBe(
      'model-corrupt',
    );
  });

  it('refuses missing tensors, other shapes and numbers that are none', () => {
    const weights = new WeightFile(file);
    expect(codeOf(() => weights.values('backbone.99.weight', [1]))).toBe('model-corrupt');
    expect(codeOf(() => weights.values('backbone.0.weight', [8, 3, 5, 5]))).toBe('model-corrupt');
    const broken = file.slice();
    broken.fill(0xff, broken.length - 64);
    const names = ['lane_neck.merges.3.merge.weight', 'neck.up8.leave.weight'];
    expect(names.every((name) => weights.has(name))).toBe(true);
    const damaged = new WeightFile(broken);
    expect(codeOf(() => damaged.values('neck.up8.leave.weight', [16, 24, 1, 1]))).toBe(
      'model-corrupt',
    );
  });

  it('refuses other architectures and networks that do not fit together', () => {
    expect(codeOf(() => detectorConfig(new WeightFile(edited('a-yolom', 'a-yolox'))))).toBe(
      'model-unsupported',
    );
    expect(
      codeOf(() => detectorConfig(new WeightFile(edited('8,8,16,16,24', '8,8,16,16,23')))),
    ).toBe('model-corrupt');
    expect(
      codeOf(() => detectorConfig(new WeightFile(edited('8,8,16,16,24', '8,8,16,16,-8')))),
    ).toBe('model-corrupt');
    expect(codeOf(() => detectorConfig(new WeightFile(edited('"672"', '"671"'))))).toBe(
      'model-corrupt',
    );
  });
});
