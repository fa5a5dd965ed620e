import { type Candidate, packCandidates, randomCandidates } from '../testing/boxes.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { BoxOverlapsUse } from './box-overlaps.ts';
import { noColours, packFrameSettings } from './frame-settings.ts';
import { rankBoxesReference } from './rank-boxes.ref.ts';

const threshold = 0.45;

/** Intersection over union, both in double precision. */
export function hides(a: Candidate, b: Candidate, overlap: number): boolean {
  const area = ([x0, y0, x1, y1]: Candidate['corners']): number => (x1 - x0) * (y1 - y0);
  const [p, q] = [a.corners, b.corners];
  const width = Math.max(0, Math.min(p[2], q[2]) - Math.max(p[0], q[0]));
  const height = Math.max(0, Math.min(p[3], q[3]) - Math.max(p[1], q[1]));
  const both = width * height;
  return a.label === b.label && both > overlap * (area(p) + area(q) - both);
}

/** Rows of bits of ranked candidates. */
export function boxOverlapsReference(
  ranked: readonly Candidate[],
  capacity: number,
  overlap: number,
): Uint32Array<ArrayBuffer> {
  const words = capacity / 32;
  const rows = new Uint32Array(capacity * words);
  ranked.forEach((own, i) => {
    ranked.forEach((other, j) => {
      if (j <= i || !hides(own, other, overlap)) return;
      const at = i * words + Math.floor(j / 32);
      rows[at] = ((rows[at] ?? 0) | (1 << (j % 32))) >>> 0;
    });
  });
  return rows;
}

/** The settings of a case: of these only the overlap matters here. */
export const overlapSettings: Uint32Array<ArrayBuffer> = packFrameSettings({
  scoreThreshold: 0.25,
  overlapThreshold: threshold,
  scaleX: 1,
  scaleY: 1,
  left: 0,
  top: 0,
  frameWidth: 1,
  frameHeight: 1,
  rowPixels: 1,
  colours: noColours,
});

function toCase(
  name: string,
  found: number,
  labels: number,
  seed: number,
): KernelCase<BoxOverlapsUse> {
  const capacity = 128;
  const ranked = rankBoxesReference(randomCandidates(new Random(seed), found, labels));
  return {
    name,
    use: { capacity },
    rows: 1,
    inputs: () => ({
      settings: overlapSettings,
      count: Uint32Array.of(found, 0, 0, 0),
      ranked: packCandidates(ranked, capacity),
    }),
    outputs: () => {
      const rows = boxOverlapsReference(ranked, capacity, threshold);
      const written = found * (capacity / 32);
      const values = Float64Array.from(rows, (bits, i) => (i < written ? bits : Number.NaN));
      return { overlaps: { values, storage: 'u32' } };
    },
  };
}

export const boxOverlapsCases: readonly KernelCase<BoxOverlapsUse>[] = [
  toCase('none', 0, 1, 841),
  toCase('one class', 127, 1, 842),
  toCase('three classes', 97, 3, 843),
];
