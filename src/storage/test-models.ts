import { quantFormat } from '../quant/registry.ts';
import { Random } from '../testing/random.ts';
import { packRows } from '../testing/weights.ts';
import type { OpenModel } from './weight-store.ts';

/** Models of random weights, as files, for tests of the store. */
export interface TestTensor {
  name: string;
  format: string;
  shape: number[];
  bytes: Uint8Array<ArrayBuffer>;
}

export function testTensor(
  name: string,
  format: string,
  shape: number[],
  seed: number,
): TestTensor {
  const { blockElements } = quantFormat(format);
  const blocks = shape.reduce((product, size) => product * size, 1) / blockElements;
  return { name, format, shape, bytes: new Random(seed).blocks(quantFormat(format), blocks) };
}

/** A matrix of zeros in single precision, for sizes at which random numbers take too long. */
export function zeroTensor(name: string, shape: number[]): TestTensor {
  const weights = shape.reduce((product, size) => product * size, 1);
  return { name, format: 'f32', shape, bytes: new Uint8Array(weights * 4) };
}

/** Vectors and matrices of several formats: about 170 KB. */
export function mixedTensors(seed = 1): TestTensor[] {
  return [
    testTensor('embedding', 'q8_0', [96, 64], seed),
    testTensor('norm', 'f32', [64], seed + 1),
    testTensor('half-norm', 'f16', [33], seed + 2),
    testTensor('gate', 'q4_1', [300, 64], seed + 3),
    testTensor('up', 'q4_k', [50, 256], seed + 4),
    testTensor('experts', 'q4_0', [3, 40, 32], seed + 5),
    testTensor('down', 'f16', [64, 300], seed + 6),
    testTensor('out', 'f32', [200, 96], seed + 7),
  ];
}

/** A GGUF file, version 3. `name` goes into its metadata. */
export function ggufFile(tensors: readonly TestTensor[], name = 'test'): Uint8Array<ArrayBuffer> {
  const head = new ByteWriter();
  head.text('GGUF');
  head.u32(3);
  head.u64(tensors.length);
  head.u64(1);
  head.lengthAndText('general.name');
  head.u32(8);
  head.lengthAndText(name);
  let offset = 0;
  for (const { name: tensor, format, shape, bytes } of tensors) {
    head.lengthAndText(tensor);
    head.u32(shape.length);
    for (const size of shape.toReversed()) head.u64(size);
    head.u32(quantFormat(format).ggmlType);
    head.u64(offset);
    offset += aligned(bytes.byteLength);
  }
  const file = new Uint8Array(aligned(head.bytes.length) + offset);
  file.set(head.bytes);
  let at = aligned(head.bytes.length);
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += aligned(bytes.byteLength);
  }
  return file;
}

/** A safetensors file; formats f32, f16 and bf16. */
export function safetensorsFile(tensors: readonly TestTensor[]): Uint8Array<ArrayBuffer> {
  let offset = 0;
  const entries = tensors.map(({ name, format, shape, bytes }) => {
    const from = offset;
    offset += bytes.byteLength;
    return [name, { dtype: format.toUpperCase(), shape, data_offsets: [from, offset] }];
  });
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const file = new Uint8Array(8 + header.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let at = 8 + header.length;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

/** What a tensor must be on the GPU when it is stored there as in the file, or as f32 where it is a vector. */
export function expectedRows({ format: name, shape, bytes }: TestTensor): Uint8Array {
  const format = quantFormat(name);
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (shape.length > 1) return packRows(format, bytes, rows, columns);
  const weights = new Float32Array(columns);
  format.dequantize(bytes, weights);
  return packRows(quantFormat('f32'), new Uint8Array(weights.buffer), 1, columns);
}

/** Everything that a model streams, by tensor. Fails where a row is missing or comes twice. */
export async function collectRows(model: OpenModel): Promise<Map<string, Uint8Array>> {
  const pieces = new Map<string, Uint8Array[]>();
  const nextRow = new Map<string, number>();
  for await (const { tensor, firstRow, rows, bytes } of model.chunks()) {
    const { name } = tensor;
    if ((nextRow.get(name) ?? 0) !== firstRow) throw new Error(`row ${firstRow} of ${name}`);
    nextRow.set(name, firstRow + rows);
    pieces.set(name, [...(pieces.get(name) ?? []), bytes.slice()]);
  }
  return new Map([...pieces].map(([name, parts]) => [name, joined(parts)]));
}

/** The rows that `collectRows` must find for these tensors. */
export function expectedModel(tensors: readonly TestTensor[]): Map<string, Uint8Array> {
  return new Map(tensors.map((tensor) => [tensor.name, expectedRows(tensor)]));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 32) * 32;
}

class ByteWriter {
  readonly bytes: number[] = [];

  text(text: string): void {
    this.bytes.push(...new TextEncoder().encode(text));
  }

  u32(value: number): void {
    this.bytes.push(...new Uint8Array(Uint32Array.of(value).buffer));
  }

  u64(value: number): void {
    this.bytes.push(...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  lengthAndText(text: string): void {
    this.u64(new TextEncoder().encode(text).length);
    this.text(text);
  }
}
