const rooms = [
  'kitchen',
  'library',
  'attic',
  'workshop',
  'hall',
  'cellar',
  'nursery',
  'lantern room',
];
const people = [
  'The keeper',
  'His sister',
  'The glazier',
  'A visitor',
  'The old captain',
  'The cook',
];
const things = [
  'a box of blue panes wrapped in straw',
  'a chart of the bay with the shoals in red ink',
  'the brass rim of the second lamp',
  'a jar of nails, sorted by length',
  'three letters tied with a green string',
  'the ledger of the year of the long frost',
  'a clock that had stopped at noon',
];
const deeds = [
  'set it down by the window and said that the wind would turn',
  'counted the steps down to the landing, and lost count, as always',
  'spoke of the winter when the sea came over the wall',
  'wiped the dust away and found a name beneath it',
  'asked whether the boat had been seen, and nobody had seen it',
  'held it against the light and was quiet for a while',
  'laughed, for there was one just like it in every house on the shore',
];

const paragraphLines = 6;

/** A text of a house by the sea, as many sentences long, no two alike, with a pass key after `place` of it (0 to 1). */
export function sampleText(sentences: number, key: number, place: number): string {
  const hidden = Math.floor(sentences * place);
  const lines = Array.from({ length: sentences }, (_, i) => {
    const pick = (list: readonly string[], step: number): string =>
      list[(i * step + (i >> 3)) % list.length] ?? '';
    const line = `${pick(people, 5)} found ${pick(things, 3)} in the ${pick(rooms, 7)} on day ${i + 1}, and ${pick(deeds, 4)}.`;
    return i === hidden
      ? `${line} The pass key is ${key}. Remember it. ${key} is the pass key.`
      : line;
  });
  // A paragraph ends between finds: what is said of the key stays together.
  const paragraphs = Array.from({ length: Math.ceil(sentences / paragraphLines) }, (_, i) =>
    lines.slice(i * paragraphLines, (i + 1) * paragraphLines).join(' '),
  );
  return paragraphs.join('\n\n');
}
