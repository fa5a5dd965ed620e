import type { FeatureMap } from './graph.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { corruptDetector } from './weight-file.ts';

/** Bins of the distribution that gives each side's distance (distribution focal loss, arXiv 2006.04388). */
export const sideBins = 16;

/** Widths of the stages at strides 2 to 32. */
export type StageWidths = readonly [number, number, number, number, number];

/** The widths that a file gives. Throws `model-corrupt` where no network can have them. */
export function stageWidths(widths: readonly number[]): StageWidths {
  const [a, b, c, d, e, ...more] = widths;
  const fit = widths.every((channels) => channels > 0 && channels % 8 === 0);
  if (fit && a && b && c && d && e && more.length === 0) return [a, b, c, d, e];
  const reason = `its stages have ${widths.join(', ')} channels, not five multiples of 8`;
  throw corruptDetector(reason, { stages: widths });
}

/** Names of the weights inside the blocks, which differ between files. */
export interface BlockNames {
  /** C2f and SPPF: first and last convolution; C2f's bottlenecks. */
  enter: string;
  leave: string;
  blocks: string;
  first: string;
  second: string;
}

/** C2f: halves the channels, chains bottlenecks on the second half, merges every intermediate result. */
export function c2f(
  graph: GraphBuilder,
  names: BlockNames,
  name: string,
  input: FeatureMap,
  channels: number,
  depth: number,
  shortcut: boolean,
): FeatureMap {
  const half = channels / 2;
  const both = graph.convolution(`${name}.${names.enter}`, input, channels);
  const parts = [both];
  let last = graph.tail(both, half);
  for (let block = 0; block < depth; block += 1) {
    const at = `${name}.${names.blocks}.${block}`;
    const middle = graph.convolution(`${at}.${names.first}`, last, half, { kernel: 3 });
    const residual = shortcut ? { residual: last } : {};
    last = graph.convolution(`${at}.${names.second}`, middle, half, { kernel: 3, ...residual });
    parts.push(last);
  }
  return graph.convolution(`${name}.${names.leave}`, graph.concatenate(parts), channels);
}

/** SPPF: three chained 5 × 5 maxima beside the input. */
export function sppf(
  graph: GraphBuilder,
  names: BlockNames,
  name: string,
  input: FeatureMap,
  channels: number,
): FeatureMap {
  const parts = [graph.convolution(`${name}.${names.enter}`, input, channels / 2)];
  for (let i = 0; i < 3; i += 1) parts.push(graph.pool('maximum', parts[i] as FeatureMap, 5));
  return graph.convolution(`${name}.${names.leave}`, graph.concatenate(parts), channels);
}
