import { VitrailError } from '../errors.ts';
import type { Metadata } from '../formats/header.ts';
import { parseSafetensorsHeader } from '../formats/safetensors.ts';
import { fileRowBytes } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';

/** The weights of a vision model: a whole safetensors file in memory, a few megabytes. */
export class WeightFile {
  readonly metadata: Metadata;
  readonly #bytes: Uint8Array;
  readonly #tensors: ReturnType<typeof headerOf>['tensors'];

  /** Throws `model-corrupt` and `model-unsupported`. */
  constructor(bytes: Uint8Array) {
    const header = headerOf(bytes);
    this.metadata = header.metadata;
    this.#tensors = header.tensors;
    this.#bytes = bytes;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor's values. Throws `model-corrupt` where it is missing or has another shape. */
  values(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw corrupt(`it has no tensor '${name}'`, { tensor: name });
    if (tensor.shape.join() !== shape.join()) {
      const reason = `'${name}' is ${tensor.shape.join('×')}, and the network needs ${shape.join('×')}`;
      throw corrupt(reason, { tensor: name, shape: tensor.shape, needed: shape });
    }
    const format = quantFormat(tensor.format);
    const elements = shape.reduce((product, size) => product * size, 1);
    const values = new Float64Array(elements);
    const bytes = fileRowBytes(format, elements);
    format.dequantize(this.#bytes.subarray(tensor.offset, tensor.offset + bytes), values);
    if (!values.every(Number.isFinite))
      throw corrupt(`'${name}' holds values that are no numbers`, { tensor: name });
    return Float32Array.from(values);
  }
}

function headerOf(bytes: Uint8Array) {
  const parsed = parseSafetensorsHeader(bytes, bytes.byteLength);
  if ('needBytes' in parsed) throw corrupt('it ends inside its header', {});
  return parsed.header;
}

function corrupt(reason: string, detail: Record<string, unknown>): VitrailError {
  return new VitrailError('model-corrupt', `The detector's file cannot be used: ${reason}.`, {
    where: 'vision/weights',
    fix: 'Download the file again, or export it anew with train/a_yolom/export.py.',
    detail,
  });
}
