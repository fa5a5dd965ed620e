import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { cosine, meanQuery, selectionRope, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import { rotateHead } from './rope.ref.ts';
import { type SelectionUse, selectionStrips } from './selection-scores.ts';

/** q·k of a head and each of the keys. */
export function keyScores(query: ArrayLike<number>, keys: readonly ArrayLike<number>[]): number[] {
  return keys.map((key) => {
    let score = 0;
    for (let i = 0; i < query.length; i += 1) score += (query[i] ?? 0) * (key[i] ?? 0);
    return score;
  });
}

/** Words of `struct Scales` before its strips. */
const scalesHeader = 2;

/** `struct Scales` with these strips, as the kernels read it. */
export function packScales(isDue: boolean, strips: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(scalesHeader + strips.length);
  packed.set(Array.from(strips), scalesHeader);
  new Uint32Array(packed.buffer)[0] = Number(isDue);
  return packed;
}

interface Situation {
  candidates: number;
  rows?: number;
  continues?: boolean;
  /** The last token left a selection that may be gone on with. */
  isReusable?: boolean;
  /** How far the last query is from this one: 0 is the same. */
  distance?: number;
  change?: Partial<SelectionUse>;
}

function toCase(name: string, situation: Situation): KernelCase<SelectionUse> {
  const { candidates, rows = 1, continues = false, isReusable = false, distance = 1 } = situation;
  const use = selectionUse(situation.change);
  const { heads, kvHeads, headDim, contextLength, initial, selected, local } = use;
  const random = new Random(1400 + candidates);
  const queries = random.activations(rows * heads * headDim);
  const last = Float32Array.from(queries.subarray(0, heads * headDim), (value) => {
    return value + random.normal(distance);
  });
  const exact = random.activations(kvHeads * contextLength * headDim);
  const isHalf = use.kv === 'f16';
  const keys = isHalf ? roundedToHalf(exact) : exact;
  const { inverseFrequencies, table } = selectionRope(use);
  const query = meanQuery(use, queries, rows, (head, at) =>
    rotateHead(use, inverseFrequencies, head, at),
  );
  const isDue =
    candidates > selected && !(continues && isReusable && cosine(queries, last) >= use.similarity);
  const scores = new Float64Array(heads * contextLength).fill(Number.NaN);
  const strips = new Float64Array(heads * selectionStrips * 2).fill(Number.NaN);
  const span = candidates / selectionStrips;
  for (let head = 0; head < heads && isDue; head += 1) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const own = Array.from({ length: candidates }, (_, i) => {
      const at = (kvHead * contextLength + initial + i) * headDim;
      return keys.subarray(at, at + headDim);
    });
    const found = keyScores(query.subarray(head * headDim, (head + 1) * headDim), own);
    scores.set(found, head * contextLength + initial);
    for (let strip = 0; strip < selectionStrips; strip += 1) {
      const part = found.slice(strip * span, (strip + 1) * span);
      const largest = Math.max(...part);
      const total = part.reduce((sum, score) => sum + Math.exp(score - largest), 0);
      strips.set([largest, total], (head * selectionStrips + strip) * 2);
    }
  }
  // The flag's bits read as a float.
  const scales = Float64Array.of(isDue ? 2 ** -149 : 0, Number.NaN, ...strips);
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(initial + candidates + local - rows, rows, 0, Number(continues), 0),
      queries,
      rope: table,
      last_query: last,
      selection: Uint32Array.of(Number(isReusable), 0, 0, 0, ...Array<number>(selected).fill(0)),
      k_cache: isHalf ? asHalves(exact) : exact,
    }),
    outputs: () => ({ scores: { values: scores }, scales: { values: scales } }),
  };
}

const long = { candidates: selectionStrips, continues: true };

export const selectionScoresCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a candidate a strip', { candidates: selectionStrips }),
  toCase('many tokens, three candidates a strip, halves', {
    candidates: 3 * selectionStrips,
    rows: 5,
    change: { kv: 'f16' },
  }),
  toCase('three query heads a group', {
    candidates: 2 * selectionStrips,
    change: { heads: 9, kvHeads: 3, headDim: 64 },
  }),
  toCase('pairs, partly rotated', {
    candidates: selectionStrips,
    rows: 3,
    change: { interleaved: true, headDim: 32, ropeDimensions: 16, heads: 9, kvHeads: 3 },
  }),
  toCase('nothing for a context that fits', { candidates: 6 }),
  toCase('nothing for a similar query', { ...long, isReusable: true, distance: 0.1 }),
  toCase('another query selects', { ...long, isReusable: true, distance: 1 }),
  toCase('the first token after a pass selects', { ...long, distance: 0 }),
  toCase('what the host wrote selects', {
    ...long,
    continues: false,
    isReusable: true,
    distance: 0,
  }),
];
