/** What a mouth does for a letter, in weights of ARKit, and how long in seconds. */
export interface Viseme {
  weights: Readonly<Record<string, number>>;
  seconds: number;
}

const open = (jaw: number, more: Record<string, number> = {}): Record<string, number> => ({
  jawOpen: jaw,
  mouthLowerDownLeft: jaw * 0.35,
  mouthLowerDownRight: jaw * 0.35,
  ...more,
});
const wide = (share: number): Record<string, number> => ({
  mouthStretchLeft: share,
  mouthStretchRight: share,
});

const closed: Viseme = {
  weights: { mouthClose: 0.03, mouthPressLeft: 0.45, mouthPressRight: 0.45, mouthRollUpper: 0.2 },
  seconds: 0.07,
};
const lipToTeeth: Viseme = {
  weights: open(0.06, { mouthRollLower: 0.5, mouthUpperUpLeft: 0.25, mouthUpperUpRight: 0.25 }),
  seconds: 0.07,
};
const tongue: Viseme = { weights: open(0.14, wide(0.12)), seconds: 0.06 };
const throat: Viseme = { weights: open(0.18), seconds: 0.06 };
const rounded: Viseme = { weights: open(0.12, { mouthPucker: 0.6 }), seconds: 0.09 };
const silence: Viseme = { weights: {}, seconds: 0.05 };

const visemes: ReadonlyMap<string, Viseme> = new Map([
  ['a', { weights: open(0.5), seconds: 0.11 }],
  ['e', { weights: open(0.28, wide(0.3)), seconds: 0.09 }],
  ['i', { weights: open(0.16, wide(0.45)), seconds: 0.09 }],
  ['o', { weights: open(0.34, { mouthFunnel: 0.5 }), seconds: 0.1 }],
  ['u', { weights: open(0.16, { mouthPucker: 0.65 }), seconds: 0.1 }],
  ['y', { weights: open(0.16, wide(0.35)), seconds: 0.08 }],
  ...[...'mbp'].map((letter) => [letter, closed] as const),
  ...[...'fv'].map((letter) => [letter, lipToTeeth] as const),
  ...[...'tdnlszxc'].map((letter) => [letter, tongue] as const),
  ...[...'kgqhj'].map((letter) => [letter, throat] as const),
  ...[...'wr'].map((letter) => [letter, rounded] as const),
  [' ', silence],
  [',', { weights: {}, seconds: 0.22 }],
  [';', { weights: {}, seconds: 0.28 }],
  [':', { weights: {}, seconds: 0.28 }],
  ['.', { weights: {}, seconds: 0.4 }],
  ['!', { weights: {}, seconds: 0.4 }],
  ['?', { weights: {}, seconds: 0.4 }],
]);
/** For letters of other scripts: the mouth moves, in no language. */
const unknownLetters: readonly Viseme[] = [throat, { weights: open(0.35), seconds: 0.1 }, tongue];

/** Every expression that visemes use. */
export const visemeExpressions: readonly string[] = [
  ...new Set(
    [...visemes.values(), ...unknownLetters].flatMap(({ weights }) => Object.keys(weights)),
  ),
];

/** The viseme of a letter, in lower case and without its accents; null for what is not spoken, such as `*`. */
export function visemeOf(character: string): Viseme | null {
  const known = visemes.get(character);
  if (known) return known;
  if (/\s/.test(character)) return silence;
  if (!/\p{L}|\p{N}/u.test(character)) return null;
  const code = character.codePointAt(0) as number;
  return unknownLetters[code % unknownLetters.length] as Viseme;
}
