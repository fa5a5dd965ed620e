import { besideOf, normBeside } from './batch-norm.ts';
import { type ConvolutionNode, channelsOf } from './graph.ts';
import type { WeightFile } from './weight-file.ts';

/** A convolution's numbers by channels. */
export interface LayerWeights {
  /** [row][tap][input]. A row is an output; of a transposed convolution the outputs of its four corners one after another. */
  weights: Float32Array;
  rows: number;
  taps: number;
  inputs: number;
  /** Of all outputs: as many as the kernel's `biasesOf`. */
  biases: Float32Array[];
  /** Of PReLU, where it is the activation. */
  slopes: Float32Array | null;
}

/**
 * Reads `name.weight` [K, C, h, w] (transposed: [C, K, 2, 2]) and `name.bias` [K]. A normalization beside it (`a.bn` of `a.conv`) is
 * folded in; slopes of PReLU stand beside it too: `a.act.weight` [K]. A folded convolution is two of them,
 * and one that shares its inputs with another has its own of them.
 */
export function layerWeights(node: ConvolutionNode, file: WeightFile): LayerWeights {
  const whole = wholeLayer(node, file);
  const { weights, inputs, biases } = whole;
  if (!node.share) return whole;
  const { from, to, of } = node.share;
  const own = weights.filter((_, i) => i % inputs >= from && i % inputs < to);
  const none = biases.map((values) => new Float32Array(values.length));
  return { ...whole, weights: own, inputs: to - from, biases: to === of ? biases : none };
}

function wholeLayer(node: ConvolutionNode, file: WeightFile): LayerWeights {
  if (!node.folded) return readLayer(node, file);
  const [first, second] = node.folded.map((part) => readLayer(part, file)) as [
    LayerWeights,
    LayerWeights,
  ];
  return product(first, second);
}

function readLayer(node: ConvolutionNode, file: WeightFile): LayerWeights {
  const { name, kernel, transposed, activation } = node;
  const inputs = node.share?.of ?? channelsOf(node.input.parts);
  const outputs = channelsOf(node.output.parts);
  const ends = transposed ? [inputs, outputs] : [outputs, inputs];
  const weight = file.values(`${name}.weight`, [...ends, kernel, kernel]);
  const norm = normBeside(file, name, outputs);
  const hasBias = node.bias && !norm;
  const own = hasBias ? file.values(`${name}.bias`, [outputs]) : new Float32Array(outputs);
  const prelu = activation === 'prelu';
  const slopes = prelu ? file.values(`${besideOf(name, 'act')}.weight`, [outputs]) : null;
  const places = kernel * kernel;
  const [rows, taps] = transposed ? [outputs * places, 1] : [outputs, places];
  const weights = new Float32Array(rows * taps * inputs);
  for (let output = 0; output < outputs; output += 1) {
    const scale = norm?.scale[output] ?? 1;
    for (let input = 0; input < inputs; input += 1) {
      const source = transposed ? input * outputs + output : output * inputs + input;
      for (let place = 0; place < places; place += 1) {
        const rowTap = transposed ? place * outputs + output : output * places + place;
        weights[rowTap * inputs + input] = (weight[source * places + place] ?? 0) * scale;
      }
    }
  }
  return { weights, rows, taps, inputs, biases: [norm?.shift ?? own], slopes };
}

/** Where a tap of the second convolution meets the first one: a tap of both together, and a corner of the first. */
interface Meeting {
  tap: number;
  corner: number;
}

/**
 * The weights of two convolutions as one: 1 × 1 behind 1 × 1, or 3 × 3 behind a 2 × 2 transposed one. There an output pixel of corner
 * (p, q) reads the grown rows p − 1 to p + 1, which come from two rows of input pixels, p − 1 and p.
 */
function product(first: LayerWeights, second: LayerWeights): LayerWeights {
  const { inputs } = first;
  const grown = second.taps > 1;
  const corners = grown ? 4 : 1;
  const middle = second.inputs;
  const outputs = second.rows;
  const [rows, taps] = [outputs * corners, corners];
  const weights = new Float64Array(rows * taps * inputs);
  for (let row = 0; row < rows; row += 1) {
    const output = row % outputs;
    for (let secondTap = 0; secondTap < second.taps; secondTap += 1) {
      const { tap, corner } = grown
        ? meeting(Math.floor(row / outputs), secondTap)
        : { tap: 0, corner: 0 };
      const to = (row * taps + tap) * inputs;
      for (let channel = 0; channel < middle; channel += 1) {
        const factor = second.weights[(output * second.taps + secondTap) * middle + channel] ?? 0;
        const from = (corner * middle + channel) * inputs;
        for (let input = 0; input < inputs; input += 1) {
          weights[to + input] =
            (weights[to + input] ?? 0) + factor * (first.weights[from + input] ?? 0);
        }
      }
    }
  }
  const biases = grown
    ? Array.from({ length: 9 }, (_, border) => biasAt(first, second, border))
    : [biasAt(first, second, middleBorder)];
  return { weights: Float32Array.from(weights), rows, taps, inputs, biases, slopes: second.slopes };
}

function meeting(corner: number, tap: number): Meeting {
  const [p, q] = [Math.floor(corner / 2), corner % 2];
  // Grown rows and columns, counted from that of the output's own input pixel.
  const y = p + Math.floor(tap / 3) - 1;
  const x = q + (tap % 3) - 1;
  const row = Math.floor(y / 2) + 1 - p;
  const column = Math.floor(x / 2) + 1 - q;
  return { tap: row * 2 + column, corner: (y & 1) * 2 + (x & 1) };
}

/** The border of pixels that have all taps. */
const middleBorder = 4;

/** The second one's bias, and what the first one's gives in the taps that lie inside the map. */
function biasAt(first: LayerWeights, second: LayerWeights, border: number): Float32Array {
  const [own] = second.biases;
  const [before] = first.biases;
  const side = Math.sqrt(second.taps);
  const [vertical, horizontal] = [Math.floor(border / 3), border % 3];
  const isInside = (at: number, where: number): boolean =>
    !(where === 0 && at === 0) && !(where === 2 && at === side - 1);
  return Float32Array.from({ length: second.rows }, (_, output) => {
    let sum = own?.[output] ?? 0;
    for (let tap = 0; tap < second.taps; tap += 1) {
      if (!isInside(Math.floor(tap / side), vertical) || !isInside(tap % side, horizontal))
        continue;
      for (let channel = 0; channel < second.inputs; channel += 1) {
        const weight = second.weights[(output * second.taps + tap) * second.inputs + channel] ?? 0;
        sum += weight * (before?.[channel] ?? 0);
      }
    }
    return sum;
  });
}
