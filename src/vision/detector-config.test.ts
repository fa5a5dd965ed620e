import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withMetadata } from '../testing/safetensors-metadata.ts';
import { detectorConfig } from './detector-config.ts';
import { WeightFile } from './weight-file.ts';

const yolo = new Uint8Array(readFileSync('e2e/fixtures/vision/yolov8-tiny.safetensors'));

/** A TwinLiteNet's marks and the factor of its attention between positions, and nothing else. */
function twin(factor: number): WeightFile {
  const names = [
    'encoder.sa.gamma',
    'encoder.level1.conv.weight',
    'up_1_1.deconv.weight',
    'classifier_2.deconv.weight',
  ];
  const tensors = names.map((name, i) => [
    name,
    { dtype: 'F32', shape: [1], data_offsets: [i * 4, i * 4 + 4] },
  ]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(tensors)));
  const file = new Uint8Array(8 + header.length + names.length * 4);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  view.setFloat32(8 + header.length, factor, true);
  return new WeightFile(file);
}

const config = (metadata: Record<string, string>) =>
  detectorConfig(new WeightFile(withMetadata(yolo, metadata)));
const codeOf = (code: string) => expect.objectContaining({ code });

describe('what a detector file holds', () => {
  it('is recognised by the names of tensors, with the size of its training', () => {
    expect(detectorConfig(new WeightFile(yolo))).toMatchObject({
      architecture: 'yolov8',
      fit: 'letterbox',
      height: 640,
      width: 640,
      labels: ['class 0', 'class 1', 'class 2', 'class 3', 'class 4'],
    });
    expect(detectorConfig(twin(-4e-20))).toMatchObject({
      architecture: 'twin-lite-net',
      fit: 'stretch',
      height: 360,
      width: 640,
      labels: [],
    });
  });

  it('takes size and labels from metadata, and refuses those that do not fit', () => {
    const labels = 'ant,bee,cow,dog,elk';
    expect(config({ height: '384', labels })).toMatchObject({
      height: 384,
      labels: labels.split(','),
    });
    expect(() => config({ labels: 'ant,bee' })).toThrow(codeOf('model-corrupt'));
    expect(() => config({ height: '360' })).toThrow(codeOf('model-corrupt'));
    expect(() => config({ architecture: 'a-yolom' })).toThrow(codeOf('model-corrupt'));
    expect(() => config({ architecture: 'other' })).toThrow(codeOf('model-unsupported'));
  });

  it('refuses a TwinLiteNet whose attention between positions does something', () => {
    expect(() => detectorConfig(twin(0.5))).toThrow(codeOf('model-unsupported'));
  });
});
