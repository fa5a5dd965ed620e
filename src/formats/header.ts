export type MetadataValue = string | number | bigint | boolean | MetadataArray;
/** Numeric arrays come as typed arrays, the rest as plain arrays. */
export type MetadataArray =
  | readonly string[]
  | readonly boolean[]
  | readonly bigint[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | readonly MetadataArray[];
export type Metadata = ReadonlyMap<string, MetadataValue>;

/** What an architecture entry sees of a file: its metadata and the names and shapes of its tensors. */
export interface ModelHeader {
  metadata: Metadata;
  tensors: ReadonlyMap<string, TensorInfo>;
}

export interface TensorInfo {
  name: string;
  /** ggml's storage format, lower case: `q4_1`. */
  format: string;
  /** Row-major: a matrix is [N, K], a vector [K]. */
  shape: readonly number[];
  /** First byte in the file. */
  offset: number;
  bytes: number;
}

/** Two tensors that share bytes of the file, if any do. */
export function overlappingTensors(
  tensors: Iterable<TensorInfo>,
): [TensorInfo, TensorInfo] | undefined {
  const inFileOrder = [...tensors].sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of inFileOrder.entries()) {
    const next = inFileOrder[i + 1];
    if (next && tensor.offset + tensor.bytes > next.offset) return [tensor, next];
  }
  return undefined;
}
