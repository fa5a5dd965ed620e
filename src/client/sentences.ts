/**
 * The end of a sentence or line: closing quotes and brackets belong to it, and what follows shows that it is over. The
 * number of a list item is no sentence.
 */
const sentenceEnd = /(?:(?<!(?:^|\n)\s*\d{1,3})[.!?…]["'”’)\]*_]*\s|[。！？]|\n)/g;

/**
 * Cuts streamed text into whole sentences, so that a screen reader hears sentences and not tokens.
 * `push` returns what is complete by now, or an empty string; `flush` returns the rest.
 */
export function createSentenceSplitter(): { push(text: string): string; flush(): string } {
  let rest = '';
  const take = (length: number): string => {
    const taken = rest.slice(0, length).trim();
    rest = rest.slice(length);
    return taken;
  };
  return {
    push(text) {
      rest += text;
      let end = 0;
      for (const match of rest.matchAll(sentenceEnd)) end = match.index + match[0].length;
      return end > 0 ? take(end) : '';
    },
    flush: () => take(rest.length),
  };
}
