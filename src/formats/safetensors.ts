import { VitrailError } from '../errors.ts';
import { fileRowBytes } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import { type ModelHeader, overlappingTensors, type TensorInfo } from './header.ts';

/** Safetensors: the header's length (8 bytes), the header (JSON), the data. Offsets in the header count from the data. */
export type SafetensorsParse = { header: ModelHeader; dataOffset: number } | { needBytes: number };

const lengthBytes = 8;
/** The format's own limit. */
const maxHeaderBytes = 100_000_000;

/** The storage types that are read, by their names in the header. */
const formats: ReadonlyMap<unknown, string> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);

/**
 * Parses the header in `prefix`, the first bytes of a file of `fileBytes` (null where it is not known); asks for more bytes
 * while it is not whole. `__metadata__` becomes the metadata. Throws `model-corrupt` and `model-unsupported`.
 */
export function parseSafetensorsHeader(
  prefix: Uint8Array,
  fileBytes: number | null,
): SafetensorsParse {
  if (prefix.byteLength < lengthBytes) return more(lengthBytes, prefix, fileBytes);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(maxHeaderBytes)) throw corrupt('it is no safetensors file');
  const dataOffset = lengthBytes + Number(headerBytes);
  if (prefix.byteLength < dataOffset) return more(dataOffset, prefix, fileBytes);
  const entries = parseJson(prefix.subarray(lengthBytes, dataOffset));
  const tensors = new Map<string, TensorInfo>();
  const { __metadata__: texts = {}, ...described } = entries;
  for (const [name, entry] of Object.entries(described)) {
    tensors.set(name, tensorOf(name, entry, dataOffset, fileBytes));
  }
  const metadata = textsOf('__metadata__', texts);
  const pair = overlappingTensors(tensors.values());
  if (pair) throw corrupt(`the tensors '${pair[0].name}' and '${pair[1].name}' overlap`);
  return { header: { metadata, tensors }, dataOffset };
}

/** The file of each tensor, as `model.safetensors.index.json` says. Throws `model-corrupt`. */
export function parseSafetensorsIndex(text: string): Map<string, string> {
  const index = parseJson(new TextEncoder().encode(text));
  const files = textsOf('weight_map', index.weight_map);
  for (const file of files.values()) {
    if (!/^\w[\w.-]*$/.test(file)) throw corrupt(`its index names the file '${file}'`);
  }
  return files;
}

/** A JSON object that has texts alone. */
function textsOf(what: string, value: unknown): Map<string, string> {
  if (!isRecord(value)) throw corrupt(`${what} is no JSON object`);
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw corrupt(`${what} has no text for '${key}'`);
      return [key, text];
    }),
  );
}

function more(bytes: number, prefix: Uint8Array, fileBytes: number | null): SafetensorsParse {
  const whole = fileBytes !== null && prefix.byteLength >= fileBytes;
  if (whole || (fileBytes !== null && bytes > fileBytes))
    throw corrupt('it ends inside its header');
  return { needBytes: bytes };
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isRecord(parsed)) return parsed;
  } catch {
    // The same verdict as for JSON that is no object.
  }
  throw corrupt('its header is no JSON object');
}

function tensorOf(
  name: string,
  entry: unknown,
  dataOffset: number,
  fileBytes: number | null,
): TensorInfo {
  if (!isRecord(entry)) throw corrupt(`the tensor '${name}' is not described`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const format = formats.get(dtype);
  if (format === undefined) throw unsupportedType(name, JSON.stringify(dtype));
  if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw corrupt(`the tensor '${name}' has no valid shape or offsets`);
  }
  const [from, to] = offsets as [number, number];
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = elements * fileRowBytes(quantFormat(format), 1);
  const end = dataOffset + to;
  if (to - from !== bytes || !Number.isSafeInteger(end) || elements === 0) {
    throw corrupt(`the tensor '${name}' has ${to - from} bytes for the shape ${shape.join('×')}`);
  }
  if (fileBytes !== null && end > fileBytes) {
    throw corrupt(`the tensor '${name}' reaches past the end of the file`);
  }
  return { name, format, shape, offset: dataOffset + from, bytes };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(reason: string): VitrailError {
  return new VitrailError('model-corrupt', `The model file cannot be read: ${reason}.`, {
    where: 'safetensors/header',
    fix: 'Download the file again, and check that the address gives the file itself and not a web page about it.',
  });
}

function unsupportedType(tensor: string, dtype: string | undefined): VitrailError {
  return new VitrailError(
    'model-unsupported',
    `The tensor '${tensor}' is stored as ${dtype ?? 'nothing'}, which is not supported.`,
    {
      where: 'safetensors/tensors',
      fix: `Use a file in one of: ${[...formats.keys()].join(', ')}. Quantized models come as GGUF.`,
      detail: { tensor, dtype },
    },
  );
}
