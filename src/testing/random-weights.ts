import { channelsOf, type Graph } from '../vision/graph.ts';
import { Random } from './random.ts';

/** A safetensors file of small random weights and biases for the convolutions of a graph. */
export function randomWeights({ nodes }: Graph, seed: number): Uint8Array<ArrayBuffer> {
  const random = new Random(seed);
  const header: Record<string, { dtype: 'F32'; shape: number[]; data_offsets: number[] }> = {};
  const parts: Float32Array<ArrayBuffer>[] = [];
  let end = 0;
  for (const node of nodes) {
    if (node.op !== 'convolution') continue;
    const { name, kernel, transposed } = node;
    const [inputs, outputs] = [channelsOf(node.input.parts), channelsOf(node.output.parts)];
    const ends = transposed ? [inputs, outputs] : [outputs, inputs];
    for (const [tensor, shape] of [
      [`${name}.weight`, [...ends, kernel, kernel]],
      [`${name}.bias`, [outputs]],
    ] as const) {
      const values = random.activations(shape.reduce((product, side) => product * side, 1));
      parts.push(values.map((value) => value / 8));
      header[tensor] = {
        dtype: 'F32',
        shape: [...shape],
        data_offsets: [end, end + values.length * 4],
      };
      end += values.length * 4;
    }
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const part of parts) {
    file.set(new Uint8Array(part.buffer), at);
    at += part.byteLength;
  }
  return file;
}
