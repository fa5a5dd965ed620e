import { type Candidate, packCandidates } from '../testing/boxes.ts';
import { arenaWith, randomMap } from '../testing/feature-maps.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { BoxCandidatesUse } from './box-candidates.ts';
import type { MapPlace } from './feature-map.ts';
import { type FrameSettings, noColours, packFrameSettings } from './frame-settings.ts';

/** The candidates of a map in the order of its cells. `bins` [cells, 64], `logits` [cells, classes padded to 4]. */
export function boxCandidatesReference(
  use: Pick<BoxCandidatesUse, 'score' | 'classes' | 'stride' | 'firstCell'>,
  settings: FrameSettings,
  bins: Float32Array,
  logits: Float32Array,
): Candidate[] {
  const { width, height, groups } = use.score;
  const found: Candidate[] = [];
  for (let cell = 0; cell < width * height; cell += 1) {
    const own = [...logits.subarray(cell * groups * 4, cell * groups * 4 + use.classes)];
    const best = Math.max(...own);
    const score = 1 / (1 + Math.exp(-best));
    if (score < settings.scoreThreshold) continue;
    const sides = [0, 1, 2, 3].map((side) =>
      mean(bins.subarray(cell * 64 + side * 16, cell * 64 + side * 16 + 16)),
    );
    const [left = 0, top = 0, right = 0, bottom = 0] = sides;
    const [x, y] = [(cell % width) + 0.5, Math.floor(cell / width) + 0.5];
    const across = (value: number): number =>
      clamp((value * use.stride - settings.left) / settings.scaleX, settings.frameWidth);
    const down = (value: number): number =>
      clamp((value * use.stride - settings.top) / settings.scaleY, settings.frameHeight);
    const corners = [across(x - left), down(y - top), across(x + right), down(y + bottom)] as const;
    found.push({ corners, score, cell: use.firstCell + cell, label: own.indexOf(best) });
  }
  return found;
}

function clamp(value: number, end: number): number {
  return Math.min(Math.max(value, 0), end);
}

/** The mean of a distribution over 0, 1, … given by its logits. */
function mean(logits: Float32Array): number {
  const top = Math.max(...logits);
  const weights = [...logits].map((logit) => Math.exp(logit - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.reduce((sum, weight, i) => sum + (weight * i) / total, 0);
}

const settings: FrameSettings = {
  scoreThreshold: 0.5,
  overlapThreshold: 0.45,
  scaleX: 0.7,
  scaleY: 0.6,
  left: 3,
  top: 9,
  frameWidth: 160,
  frameHeight: 90,
  rowPixels: 192,
  colours: noColours,
};

/** Candidates come in any order, so a case has one cell at most that passes; the detector's test has many. */
function toCase(
  name: string,
  classes: number,
  passing: number | null,
  seed: number,
): KernelCase<BoxCandidatesUse> {
  const [height, width] = [5, 13];
  const random = new Random(seed);
  const box: MapPlace = { offset: 3, stride: 17, groups: 16, height, width };
  const groups = Math.ceil(classes / 4);
  const score: MapPlace = { ...box, offset: 3 + height * width * 17, stride: groups, groups };
  const bins = randomMap(box, random);
  const logits = randomMap(score, random).map((value) => -Math.abs(value) - 0.1);
  if (passing !== null) logits[passing * groups * 4 + classes - 1] = 2.5;
  const use: BoxCandidatesUse = {
    storage: 'f32',
    box,
    score,
    classes,
    stride: 8,
    firstCell: 100,
    capacity: 32,
  };
  const numbers = (score.offset + height * width * groups) * 4;
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      settings: packFrameSettings(settings),
      arena: arenaWith(new Float32Array(numbers), [
        [box, bins],
        [score, logits],
      ]),
      count: new Uint32Array(4),
    }),
    outputs: () => {
      const found = boxCandidatesReference(use, settings, bins, logits);
      const packed = packCandidates([], use.capacity).fill(Number.NaN);
      packed.set(packCandidates(found, found.length));
      return {
        count: { values: Float64Array.of(found.length, 0, 0, 0), storage: 'u32' },
        candidates: { values: Float64Array.from(packed) },
      };
    },
  };
}

export const boxCandidatesCases: readonly KernelCase<BoxCandidatesUse>[] = [
  toCase('none', 1, null, 881),
  toCase('one class', 1, 37, 882),
  toCase('the last of seven classes, in the last cell', 7, 64, 883),
];
