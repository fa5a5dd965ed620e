import type { Random } from './random.ts';

/** A candidate as kernels hold it: corners, then score, cell and class. */
export interface Candidate {
  corners: readonly [number, number, number, number];
  score: number;
  cell: number;
  label: number;
}

/** Boxes in clusters, as detectors give them; some share their score exactly, some are the very same box. */
export function randomCandidates(random: Random, count: number, labels = 1): Candidate[] {
  const found: Candidate[] = [];
  while (found.length < count) {
    const [x, y] = [random.uniform(0, 600), random.uniform(0, 300)];
    const [width, height] = [random.uniform(4, 120), random.uniform(4, 90)];
    const cluster = 1 + (random.uint32() % 8);
    for (let i = 0; i < cluster && found.length < count; i += 1) {
      const shift = (): number => (random.uint32() % 3 === 0 ? 0 : random.uniform(-15, 15));
      const corners = [
        x + shift(),
        y + shift(),
        x + width + shift(),
        y + height + shift(),
      ] as const;
      const score = Math.fround((random.uint32() % 40) / 40 + 0.01);
      const rounded = corners.map(Math.fround) as unknown as Candidate['corners'];
      found.push({
        corners: rounded,
        score,
        cell: found.length * 3 + 1,
        label: random.uint32() % labels,
      });
    }
  }
  return shuffled(found, random);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, key: random.uint32() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** Two vectors each, with room for `capacity`. */
export function packCandidates(
  candidates: readonly Candidate[],
  capacity: number,
): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(capacity * 8);
  candidates.forEach(({ corners, score, cell, label }, i) => {
    packed.set([...corners, score, cell, label, 0], i * 8);
  });
  return packed;
}
