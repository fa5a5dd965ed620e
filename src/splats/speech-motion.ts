import { type Viseme, visemeExpressions, visemeOf } from './visemes.ts';

/** How much of the way to a viseme the lips, which have mass, go in a thirtieth of a second. */
const approach = 0.45;
/** Streamed text may be ahead by this much before the mouth hurries, and it hurries up to this pace. */
const easyLagSeconds = 1;
const fastestPace = 1.6;
/** A mouth that is further behind leaves words out, down to the second lag: nobody reads along with it any more. */
const longestLagSeconds = 4;
const lagAfterSkipSeconds = 1.5;
/** Weights below are a closed mouth. */
const closedBelow = 0.004;

/** What is still to be said: a viseme and whether a word begins after it. */
interface Sound {
  viseme: Viseme;
  endsWord: boolean;
}

/**
 * The mouth of someone who says a text, letter by letter, for text without sound: nothing has to be in time with a voice. Text may come
 * in pieces; the mouth speaks at a natural pace, hurries and at last leaves out words when pieces come faster, and closes at the end.
 */
export class SpeechMotion {
  /** [viseme expressions] places in the rig's weights; −1 where it has none. */
  readonly #places: readonly number[];
  readonly #current: Float64Array = new Float64Array(visemeExpressions.length);
  #sounds: Sound[] = [];
  #at = 0;
  /** Seconds that the sound at `#at` has been made. */
  #made = 0;
  /** Seconds that `#sounds` from `#at` on take. */
  #left = 0;
  #streams = false;
  #moving = false;
  #last: number | null = null;

  constructor(expressions: readonly string[]) {
    this.#places = visemeExpressions.map((name) => expressions.indexOf(name));
  }

  /** Is something being said, or the mouth not closed yet? While a stream is open, pauses count. */
  get active(): boolean {
    return this.#streams || this.#moving;
  }

  /** Says a whole text in place of what is being said. */
  say(text: string): void {
    this.stop();
    this.#add(text);
  }

  /** Begins a text that comes in pieces, in place of what is being said. */
  open(): void {
    this.stop();
    this.#streams = true;
  }

  /** Adds a piece to a text that was begun by `open`; without one it is left out. */
  piece(text: string): void {
    if (this.#streams) this.#add(text);
  }

  /** The last piece was there: the mouth says what is left, no more than a little, and closes. */
  end(): void {
    if (this.#streams) this.#skipTo(lagAfterSkipSeconds);
    this.#streams = false;
  }

  /** Falls silent; the mouth closes. */
  stop(): void {
    this.#sounds = [];
    this.#at = 0;
    this.#made = 0;
    this.#left = 0;
    this.#streams = false;
  }

  /** Adds the mouth to weights, where it is more than what is there. Allocates nothing. */
  apply(weights: Float32Array, nowSeconds: number): void {
    if (!this.active) return;
    const seconds = Math.max(0, nowSeconds - (this.#last ?? nowSeconds));
    this.#last = nowSeconds;
    this.#advance(seconds * this.#pace);
    const target = this.#sounds[this.#at]?.viseme.weights;
    const share = 1 - (1 - approach) ** (seconds * 30);
    let largest = 0;
    for (let i = 0; i < visemeExpressions.length; i += 1) {
      const before = this.#current[i] as number;
      const wanted = target?.[visemeExpressions[i] as string] ?? 0;
      const weight = before + (wanted - before) * share;
      this.#current[i] = weight;
      largest = Math.max(largest, weight);
      const place = this.#places[i] as number;
      if (place >= 0) weights[place] = Math.max(weights[place] as number, weight);
    }
    this.#moving = this.#at < this.#sounds.length || largest > closedBelow;
    if (this.#moving) return;
    this.#current.fill(0);
    // A text that begins after a pause begins at its start.
    if (!this.#streams) this.#last = null;
  }

  get #pace(): number {
    if (!this.#streams) return 1;
    return Math.min(fastestPace, 1 + Math.max(0, this.#left - easyLagSeconds) * 0.3);
  }

  #add(text: string): void {
    const spoken = text.normalize('NFD').toLowerCase();
    if (this.#at > 0) {
      this.#sounds.splice(0, this.#at);
      this.#at = 0;
    }
    for (const character of spoken) {
      const viseme = visemeOf(character);
      if (!viseme) continue;
      this.#sounds.push({ viseme, endsWord: /\s/.test(character) });
      this.#left += viseme.seconds;
    }
    this.#moving ||= this.#sounds.length > 0;
  }

  #advance(seconds: number): void {
    this.#made += seconds;
    for (;;) {
      const sound = this.#sounds[this.#at];
      if (!sound || this.#made < sound.viseme.seconds) break;
      this.#made -= sound.viseme.seconds;
      this.#drop(sound);
      // Between two words alone, so that each one that is said is said whole.
      if (sound.endsWord && this.#streams && this.#left > longestLagSeconds) {
        this.#skipTo(lagAfterSkipSeconds);
      }
    }
    if (this.#at === this.#sounds.length) this.#made = 0;
  }

  /** Leaves sounds out, up to the end of a word, until no more than these seconds are left. */
  #skipTo(seconds: number): void {
    let ended = true;
    for (;;) {
      const sound = this.#sounds[this.#at];
      if (!sound || (this.#left <= seconds && ended)) return;
      ended = sound.endsWord;
      this.#drop(sound);
    }
  }

  #drop(sound: Sound): void {
    this.#at += 1;
    this.#left = this.#at === this.#sounds.length ? 0 : this.#left - sound.viseme.seconds;
  }
}
